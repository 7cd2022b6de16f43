// How far a model's predictions move when one of its blocks is pruned and the others are not.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/status/statusor.h"
#include "worker/pruner/progress.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {

// Of each block, see Engine::SurveyBlocks. One walk through the model: behind a block that was pruned (by Wanda, every
// row alike) a copy of the activations goes on, beside the dense ones and the copies from before. So that the work does
// not grow with the square of the depth, neighbours of a deep model are pruned together (cost/batches.h,
// SurveyedTogether), and all get what came of it.
absl::StatusOr<std::vector<double>> SurveyBlocks(const SurveyRequest& request, const at::TensorOptions& options,
                                                 StageReporter& reporter);

}  // namespace besa::pruner
