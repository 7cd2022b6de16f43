// What comes after the blocks: from the activations behind the last one to the distribution of the next token.
#pragma once

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "storage/checkpoint/checkpoint.h"

namespace besa::pruner {

struct ModelHead {
  at::Tensor norm;
  // [vocab, hidden]; of tied embeddings those.
  at::Tensor weight;
  double epsilon = 0.0;

  // Errors as LoadTensor.
  static absl::StatusOr<ModelHead> Load(const storage::ModelConfig& config, const storage::TensorSource& source,
                                        const at::TensorOptions& options);

  // hidden [windows, length, hidden] -> float32 [windows, length, vocab].
  at::Tensor Logits(const at::Tensor& hidden) const;
  at::Tensor LogProbabilities(const at::Tensor& hidden) const;
};

}  // namespace besa::pruner
