#include "worker/pruner/model_head.h"

#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>

#include "storage/base/status_macros.h"
#include "worker/pruner/load_weights.h"
#include "worker/pruner/rms_norm.h"

namespace besa::pruner {

absl::StatusOr<ModelHead> ModelHead::Load(const storage::ModelConfig& config, const storage::TensorSource& source,
                                          const at::TensorOptions& options) {
  ModelHead head{.epsilon = config.rms_norm_eps};
  ASSIGN_OR_RETURN(head.norm, LoadTensor(source, "model.norm.weight", {config.hidden_size}, options));
  if (config.tie_word_embeddings) {
    ASSIGN_OR_RETURN(head.weight, LoadEmbedding(config, source, options));
  } else {
    ASSIGN_OR_RETURN(head.weight,
                     LoadTensor(source, "lm_head.weight", {config.vocab_size, config.hidden_size}, options));
  }
  return head;
}

at::Tensor ModelHead::Logits(const at::Tensor& hidden) const {
  const at::Tensor flat = hidden.reshape({-1, hidden.size(2)});
  const at::Tensor logits = at::mm(RmsNorm(flat, norm, epsilon).output, weight.t()).to(at::kFloat);
  return logits.view({hidden.size(0), hidden.size(1), weight.size(0)});
}

at::Tensor ModelHead::LogProbabilities(const at::Tensor& hidden) const { return at::log_softmax(Logits(hidden), -1); }

}  // namespace besa::pruner
