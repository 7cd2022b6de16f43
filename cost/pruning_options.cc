#include "cost/pruning_options.h"

#include <algorithm>

#include "cost/recovery_defaults.h"
#include "storage/checkpoint/checkpoint.h"

namespace besa::cost {
namespace {

// Prodigy needs 14 to 19 steps to find its step size; blocks of 32 steps lose 3 to 9% of block loss, of 64 none.
constexpr int64_t kEnoughSteps = 64;
constexpr int64_t kLargestBatch = 4;

double Billions(const storage::ModelConfig& config) {
  double parameters = 2.0 * static_cast<double>(config.vocab_size * config.hidden_size);
  for (const storage::LinearSpec& linear : storage::BlockLinears(config)) {
    parameters += static_cast<double>(config.num_hidden_layers * linear.rows * linear.cols);
  }
  return parameters / 1e9;
}

// The published settings, by size of the model. Smaller models than theirs take the row-wise value of their smallest,
// and layer-wise 50: their LLaMA-1 7B, and what the small models of tests/data were measured with. LLaMA-1 and 2 differ
// in nothing but the length of their context.
double PublishedDCoef(const storage::ModelConfig& config, Granularity granularity) {
  const double billions = Billions(config);
  if (granularity == Granularity::kRow) return billions < 20.0 ? 5.0 : billions < 45.0 ? 10.0 : 50.0;
  if (billions < 5.0) return 50.0;
  if (config.max_position_embeddings > 2048) return billions < 45.0 ? 0.05 : 0.5;
  return billions < 10.0 ? 50.0 : billions < 20.0 ? 0.5 : billions < 45.0 ? 0.05 : 0.5;
}

// A batch that every rank has an equal share of, in enough steps.
void SpreadBatch(int64_t samples, int64_t ranks, bool may_repeat, BesaOptions& resolved) {
  resolved.batch_size = std::min(std::max<int64_t>(samples, 1), (resolved.batch_size + ranks - 1) / ranks * ranks);
  if (!may_repeat || samples < 1) return;
  const int64_t steps = (samples + resolved.batch_size - 1) / resolved.batch_size;
  resolved.epochs = std::max(resolved.epochs, (kEnoughSteps + steps - 1) / steps);
}

}  // namespace

BesaOptions ResolveOptions(const BesaOptions& options, const storage::ModelConfig& config, int64_t samples,
                           int64_t ranks) {
  BesaOptions resolved = options;
  if (options.method == Method::kSparseGpt) {
    if (resolved.sparsegpt_block_size == 0) resolved.sparsegpt_block_size = 128;
    if (resolved.sparsegpt_damping == 0.0) resolved.sparsegpt_damping = 0.01;
  }
  if (resolved.recovery.given()) {
    if (resolved.recovery.learning_rate == 0.0) resolved.recovery.learning_rate = kRecoveryLearningRate;
    if (resolved.recovery.batch_size == 0) resolved.recovery.batch_size = kRecoveryBatchSize;
  }
  if (options.method != Method::kBesa) return resolved;
  const bool paper = options.preset == Preset::kPaper;
  if (resolved.epochs == 0) {
    const bool few = !paper && resolved.batch_size == 0 && samples > 0 && samples < kEnoughSteps;
    resolved.epochs = few ? (kEnoughSteps + samples - 1) / samples : 1;
  }
  if (resolved.batch_size == 0) {
    resolved.batch_size = paper ? 1 : std::clamp(samples * resolved.epochs / kEnoughSteps, int64_t{1}, kLargestBatch);
    if (!paper && ranks > 1) SpreadBatch(samples, ranks, options.epochs == 0, resolved);
  }
  if (resolved.d_coef == 0.0) resolved.d_coef = PublishedDCoef(config, options.granularity);
  if (resolved.prior_sigma == 0.0 && !paper) resolved.prior_sigma = 0.08;
  return resolved;
}

bool TakesDenseStream(const BesaOptions& options) {
  return options.schedule == Schedule::kIndependent || options.reference == Reference::kDenseStream;
}

bool TakesPrunedStream(const BesaOptions& options) { return options.schedule == Schedule::kSequential; }

bool KeepsDenseInputs(const BesaOptions& options) {
  return options.recovery.given() && options.recovery.dense_every > 0 && TakesDenseStream(options) &&
         TakesPrunedStream(options);
}

int64_t WindowsLookingAhead(const BesaOptions& options, int64_t batch) {
  return TakesPrunedStream(options) || options.recovery.given() ? batch : (batch + 1) / 2;
}

bool ObservesAhead(const BesaOptions& options) {
  return LooksAhead(options) && !TakesPrunedStream(options) && options.method != Method::kSparseGpt;
}

bool LooksAhead(const BesaOptions& options) {
  return options.lookahead && (options.method == Method::kBesa || options.recovery.given());
}

}  // namespace besa::cost
