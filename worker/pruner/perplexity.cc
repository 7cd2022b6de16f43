#include "worker/pruner/perplexity.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cmath>

#include "storage/base/status_macros.h"
#include "worker/pruner/dense_stream.h"
#include "worker/pruner/errors.h"
#include "worker/pruner/load_weights.h"
#include "worker/pruner/memory_plan.h"
#include "worker/pruner/rms_norm.h"
#include "worker/pruner/tensor_kernels.h"

namespace besa::pruner {
namespace {

absl::StatusOr<at::Tensor> LoadEmbedding(const storage::ModelConfig& config, const storage::TensorSource& source,
                                         const at::TensorOptions& options) {
  return LoadTensor(source, "model.embed_tokens.weight", {config.vocab_size, config.hidden_size}, options);
}

absl::StatusOr<at::Tensor> LoadHead(const storage::ModelConfig& config, const storage::TensorSource& source,
                                    const at::TensorOptions& options) {
  if (config.tie_word_embeddings) return LoadEmbedding(config, source, options);
  return LoadTensor(source, "lm_head.weight", {config.vocab_size, config.hidden_size}, options);
}

// The last block's output of windows [first, first + count).
absl::StatusOr<at::Tensor> LastHidden(const storage::ModelConfig& config, const storage::TensorSource& source,
                                      const TokenWindows& text, int64_t first, int64_t count,
                                      const at::TensorOptions& options, StageReporter& reporter) {
  const LlamaBlock block(BlockShape::Of(config, 0), text.length, options);
  const at::Tensor x = at::empty({count, text.length, config.hidden_size}, options);
  {
    ASSIGN_OR_RETURN(const at::Tensor embedding, LoadEmbedding(config, source, options));
    RETURN_IF_ERROR(ForEachBatch(
        count, WalkBatch(text.length, options.device()), [&](int64_t begin, int64_t windows) -> absl::Status {
          ASSIGN_OR_RETURN(const at::Tensor embedded, Embed(embedding, text, first + begin, windows));
          x.narrow(0, begin, windows).copy_(embedded);
          return absl::OkStatus();
        }));
  }
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    ASSIGN_OR_RETURN(const BlockWeights weights, LoadBlock(source, BlockShape::Of(config, i), i, options));
    RETURN_IF_ERROR(WalkBlock(i, block, weights, x, [&](int64_t done) {
      return reporter.Step(first * config.num_hidden_layers + i * count + done);
    }));
  }
  return x;
}

}  // namespace

absl::Status ForEachLogits(const storage::ModelConfig& config, const storage::TensorSource& source,
                           const TokenWindows& text, const at::TensorOptions& options, StageReporter& reporter,
                           const std::function<absl::Status(int64_t first, const at::Tensor& logits)>& sink) {
  RETURN_IF_ERROR(reporter.Begin("evaluate", text.windows * config.num_hidden_layers));
  const int64_t logit_batch = LogitWindows(config.vocab_size, text.length);
  return ForEachBatch(text.windows, EvaluationGroup(text.length), [&](int64_t first, int64_t count) -> absl::Status {
    ASSIGN_OR_RETURN(const at::Tensor hidden, LastHidden(config, source, text, first, count, options, reporter));
    ASSIGN_OR_RETURN(const at::Tensor norm, LoadTensor(source, "model.norm.weight", {config.hidden_size}, options));
    ASSIGN_OR_RETURN(const at::Tensor head, LoadHead(config, source, options));
    return ForEachBatch(count, logit_batch, [&](int64_t begin, int64_t windows) -> absl::Status {
      const at::Tensor flat = hidden.narrow(0, begin, windows).view({windows * text.length, config.hidden_size});
      const at::Tensor logits = at::mm(RmsNorm(flat, norm, config.rms_norm_eps).output, head.t()).to(at::kFloat);
      RETURN_IF_ERROR(sink(first + begin, logits.view({windows, text.length, config.vocab_size})));
      return reporter.Step((first + count) * config.num_hidden_layers);
    });
  });
}

absl::StatusOr<PerplexityResult> MeasurePerplexity(const storage::ModelConfig& config,
                                                   const storage::TensorSource& source, const TokenWindows& text,
                                                   const at::TensorOptions& options, StageReporter& reporter) {
  double sum = 0.0;
  RETURN_IF_ERROR(ForEachLogits(
      config, source, text, options, reporter, [&](int64_t first, const at::Tensor& logits) -> absl::Status {
        const int64_t windows = logits.size(0);
        const at::Tensor log_probability = at::log_softmax(logits, -1);
        int32_t* ids = const_cast<int32_t*>(text.ids.data() + first * text.length);
        const at::Tensor next = at::from_blob(ids, {windows, text.length}, at::TensorOptions().dtype(at::kInt))
                                    .narrow(1, 1, text.length - 1)
                                    .to(logits.device(), at::kLong);
        const at::Tensor of_next = log_probability.narrow(1, 0, text.length - 1).gather(2, next.unsqueeze(2));
        const double log_likelihood = of_next.sum(at::kDouble).item<double>();
        if (!std::isfinite(log_likelihood)) return BadNumbers(-1, "lm_head", "its logits are NaN or infinite");
        sum -= log_likelihood;
        return absl::OkStatus();
      }));
  PerplexityResult result;
  result.tokens = text.windows * (text.length - 1);
  result.perplexity = std::exp(sum / static_cast<double>(result.tokens));
  result.stages = reporter.Finish();
  return result;
}

}  // namespace besa::pruner
