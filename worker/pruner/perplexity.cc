#include "worker/pruner/perplexity.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/log_softmax.h>

#include <algorithm>
#include <cmath>

#include "cost/batches.h"
#include "storage/base/status_macros.h"
#include "worker/pruner/dense_stream.h"
#include "worker/pruner/errors.h"
#include "worker/pruner/load_weights.h"
#include "worker/pruner/model_head.h"
#include "worker/pruner/tensor_kernels.h"

namespace besa::pruner {
namespace {

// Takes x through all blocks. `step(windows through a block so far)` runs between batches.
absl::Status WalkModel(const storage::ModelConfig& config, const storage::TensorSource& source, const at::Tensor& x,
                       const std::function<absl::Status(int64_t)>& step) {
  const LlamaBlock block(BlockShape::Of(config, 0), x.size(1), x.options());
  BlockWeights weights = BlockWeights::Allocate(block.shape(), x.options());
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    weights.shape = BlockShape::Of(config, i);
    RETURN_IF_ERROR(LoadBlock(source, i, weights));
    RETURN_IF_ERROR(WalkBlock(i, block, weights, x, [&](int64_t done) { return step(i * x.size(0) + done); }));
  }
  return absl::OkStatus();
}

// Tokens predicted in every window but the first.
int64_t FreshTokens(const TokenWindows& text) {
  return std::min(text.stride == 0 ? text.length : text.stride, text.length - 1);
}

// Sum over the predicted tokens of windows [first, first + n); values [n, length - 1], one for each of tokens 1...
double SumPredicted(const at::Tensor& values, const TokenWindows& text, int64_t first) {
  const int64_t fresh = FreshTokens(text);
  const int64_t context = text.length - 1 - fresh;
  double sum = values.narrow(1, context, fresh).sum(at::kDouble).item<double>();
  if (first == 0 && context > 0) sum += values.narrow(0, 0, 1).narrow(1, 0, context).sum(at::kDouble).item<double>();
  return sum;
}

// Sum of the log probabilities of the predicted tokens, from log_probability [n, length, vocab].
absl::StatusOr<double> LogLikelihood(const at::Tensor& log_probability, const TokenWindows& text, int64_t first) {
  int32_t* ids = const_cast<int32_t*>(text.ids.data() + first * text.length);
  const at::Tensor next =
      at::from_blob(ids, {log_probability.size(0), text.length}, at::TensorOptions().dtype(at::kInt))
          .narrow(1, 1, text.length - 1)
          .to(log_probability.device(), at::kLong);
  const at::Tensor of_next = log_probability.narrow(1, 0, text.length - 1).gather(2, next.unsqueeze(2)).squeeze(2);
  const double sum = SumPredicted(of_next, text, first);
  if (!std::isfinite(sum)) return BadNumbers(-1, "lm_head", "its logits are NaN or infinite");
  return sum;
}

// Sum over the predicted tokens of KL(p || q), from the logarithms [n, length, vocab], which it overwrites.
double Divergence(const at::Tensor& log_p, const at::Tensor& log_q, const TokenWindows& text, int64_t first) {
  log_q.sub_(log_p);
  const at::Tensor of_token = log_p.exp_().mul_(log_q).sum(-1);
  return -SumPredicted(of_token.narrow(1, 0, text.length - 1), text, first);
}

}  // namespace

absl::Status ForEachLogits(const storage::ModelConfig& config, const storage::TensorSource& source,
                           const TokenWindows& text, const at::TensorOptions& options, StageReporter& reporter,
                           const std::function<absl::Status(int64_t first, const at::Tensor& logits)>& sink) {
  const int64_t layers = config.num_hidden_layers;
  RETURN_IF_ERROR(reporter.Begin("evaluate", text.windows * layers));
  const int64_t logit_batch = cost::LogitWindows(config.vocab_size, text.length);
  return ForEachBatch(
      text.windows, cost::EvaluationGroup(text.length), [&](int64_t first, int64_t count) -> absl::Status {
        ASSIGN_OR_RETURN(const Activations embedded, Embed(config, source, text, first, count, options));
        const at::Tensor& hidden = embedded.values();
        RETURN_IF_ERROR(
            WalkModel(config, source, hidden, [&](int64_t done) { return reporter.Step(first * layers + done); }));
        ASSIGN_OR_RETURN(const ModelHead head, ModelHead::Load(config, source, options));
        return ForEachBatch(count, logit_batch, [&](int64_t begin, int64_t windows) -> absl::Status {
          RETURN_IF_ERROR(sink(first + begin, head.Logits(hidden.narrow(0, begin, windows))));
          return reporter.Step((first + count) * layers);
        });
      });
}

int64_t PredictedTokens(const TokenWindows& text) { return text.length - 1 + (text.windows - 1) * FreshTokens(text); }

absl::StatusOr<PerplexityResult> MeasurePerplexity(const storage::ModelConfig& config,
                                                   const storage::TensorSource& source, const TokenWindows& text,
                                                   const at::TensorOptions& options, StageReporter& reporter) {
  double sum = 0.0;
  RETURN_IF_ERROR(ForEachLogits(
      config, source, text, options, reporter, [&](int64_t first, const at::Tensor& logits) -> absl::Status {
        ASSIGN_OR_RETURN(const double part, LogLikelihood(at::log_softmax(logits, -1), text, first));
        sum -= part;
        return absl::OkStatus();
      }));
  PerplexityResult result;
  result.tokens = PredictedTokens(text);
  result.perplexity = std::exp(sum / static_cast<double>(result.tokens));
  result.stages = reporter.Finish();
  return result;
}

absl::StatusOr<ComparisonResult> CompareModels(const storage::ModelConfig& config, const storage::TensorSource& dense,
                                               const storage::TensorSource& pruned, const TokenWindows& text,
                                               const at::TensorOptions& options, StageReporter& reporter) {
  const int64_t layers = config.num_hidden_layers;
  RETURN_IF_ERROR(reporter.Begin("evaluate", 2 * text.windows * layers));
  double dense_sum = 0.0;
  double pruned_sum = 0.0;
  double divergence = 0.0;
  const auto group = [&](int64_t first, int64_t count) -> absl::Status {
    ASSIGN_OR_RETURN(const Activations embedded, Embed(config, dense, text, first, count, options));
    const at::Tensor& x = embedded.values();
    const at::Tensor y = x.clone();
    const auto step = [&](int64_t done) { return reporter.Step(2 * first * layers + done); };
    RETURN_IF_ERROR(WalkModel(config, dense, x, step));
    RETURN_IF_ERROR(WalkModel(config, pruned, y, [&](int64_t done) { return step(count * layers + done); }));
    ASSIGN_OR_RETURN(const ModelHead head, ModelHead::Load(config, dense, options));
    const int64_t batch = cost::LogitWindows(config.vocab_size, text.length);
    return ForEachBatch(count, batch, [&](int64_t begin, int64_t windows) -> absl::Status {
      const at::Tensor log_p = head.LogProbabilities(x.narrow(0, begin, windows));
      const at::Tensor log_q = head.LogProbabilities(y.narrow(0, begin, windows));
      ASSIGN_OR_RETURN(const double of_dense, LogLikelihood(log_p, text, first + begin));
      ASSIGN_OR_RETURN(const double of_pruned, LogLikelihood(log_q, text, first + begin));
      dense_sum -= of_dense;
      pruned_sum -= of_pruned;
      divergence += Divergence(log_p, log_q, text, first + begin);
      return step(2 * count * layers);
    });
  };
  RETURN_IF_ERROR(ForEachBatch(text.windows, cost::EvaluationGroup(text.length), group));
  ComparisonResult result;
  result.tokens = PredictedTokens(text);
  const auto tokens = static_cast<double>(result.tokens);
  result.dense_perplexity = std::exp(dense_sum / tokens);
  result.pruned_perplexity = std::exp(pruned_sum / tokens);
  // Rounding may leave two equal models a hair below zero.
  result.kl_divergence = std::max(0.0, divergence / tokens);
  result.stages = reporter.Finish();
  return result;
}

}  // namespace besa::pruner
