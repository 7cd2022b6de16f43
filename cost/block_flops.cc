#include "cost/block_flops.h"

namespace besa::cost {
namespace {

double Flops(int64_t samples, int64_t length, int64_t weights) {
  return 2.0 * static_cast<double>(samples) * static_cast<double>(length) * static_cast<double>(weights);
}

// Scores, and their product with the values: each 2 * length^2 * width, of which half is hidden.
double AttentionFlops(int64_t width, int64_t samples, int64_t length) {
  return Flops(samples, length, width) * static_cast<double>(length);
}

}  // namespace

double ForwardFlops(const BlockShape& shape, int64_t samples, int64_t length) {
  return ForwardFlops(shape.TotalWeights(), shape.heads * shape.head_dim, samples, length);
}

double ForwardFlops(int64_t weights, int64_t attention_width, int64_t samples, int64_t length) {
  return Flops(samples, length, weights) + AttentionFlops(attention_width, samples, length);
}

double TrainingFlops(const BlockShape& shape, int64_t samples, int64_t length) {
  const double linears = Flops(samples, length, shape.TotalWeights());
  const double qkv = Flops(samples, length, shape.GroupRows(kQkv) * shape.GroupCols(kQkv));
  const double attention = AttentionFlops(shape.heads * shape.head_dim, samples, length);
  return (linears + attention) + linears + (linears - qkv) + 2.5 * attention;
}

double LookaheadFlops(const BlockShape& shape, int64_t samples, int64_t length) {
  return 2 * Flops(samples, length, shape.TotalWeights()) +
         3.5 * AttentionFlops(shape.heads * shape.head_dim, samples, length);
}

double AllocationPassFlops(const BlockShape& shape, int64_t samples, int64_t length, const BesaOptions& options,
                           bool looks_ahead) {
  const double training = TrainingFlops(shape, samples, length);
  if (!looks_ahead) return training;
  const int64_t batch = options.batch_size;
  const double share = static_cast<double>(WindowsLookingAhead(options, batch)) / static_cast<double>(batch);
  return training + share * LookaheadFlops(shape, samples, length);
}

double RecoveryPassFlops(const BlockShape& shape, int64_t samples, int64_t length, bool looks_ahead) {
  return TrainingFlops(shape, samples, length) + (looks_ahead ? LookaheadFlops(shape, samples, length) : 0.0);
}

double BlockFlops(const storage::ModelConfig& config, int64_t block, int64_t samples, int64_t length,
                  const BesaOptions& options) {
  const BlockShape shape = BlockShape::Of(config, 0);
  double walks = 0.0;
  if (TakesPrunedStream(options)) walks = TakesDenseStream(options) ? 2.0 : 1.0;
  const bool ahead = LooksAhead(options) && block + 1 < config.num_hidden_layers;
  if (ahead && !ObservesAhead(options)) walks += 1.0;
  double flops = (1.0 + walks) * ForwardFlops(shape, samples, length);
  if (options.epochs > 0) {
    flops += static_cast<double>(options.epochs) * AllocationPassFlops(shape, samples, length, options, ahead);
  }
  return flops + static_cast<double>(options.recovery.epochs) * RecoveryPassFlops(shape, samples, length, ahead);
}

}  // namespace besa::cost
