// The whole model on text, one block in memory at a time: perplexity, divergence from the dense model, logits.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/checkpoint/checkpoint.h"
#include "worker/pruner/progress.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {

// Calls sink(first window, logits [windows, length, vocab] in float32) for all windows in order. Reports progress in
// steps of one window through one block.
absl::Status ForEachLogits(const storage::ModelConfig& config, const storage::TensorSource& source,
                           const TokenWindows& text, const at::TensorOptions& options, StageReporter& reporter,
                           const std::function<absl::Status(int64_t first, const at::Tensor& logits)>& sink);

// See Engine::Perplexity.
absl::StatusOr<PerplexityResult> MeasurePerplexity(const storage::ModelConfig& config,
                                                   const storage::TensorSource& source, const TokenWindows& text,
                                                   const at::TensorOptions& options, StageReporter& reporter);

// See Engine::Compare.
absl::StatusOr<ComparisonResult> CompareModels(const storage::ModelConfig& config, const storage::TensorSource& dense,
                                               const storage::TensorSource& pruned, const TokenWindows& text,
                                               const at::TensorOptions& options, StageReporter& reporter);

}  // namespace besa::pruner
