#include "worker/pruner/block_loss.h"

namespace besa::pruner {

LossAndGradient BlockLoss(const LlamaBlock& block, const BlockWeights* next, const at::Tensor& y,
                          const TrainingBatch& batch, RankGroup& ranks) {
  const auto& [x, reference, next_reference] = batch;
  if (next == nullptr) return ReconstructionLoss(y, reference, ranks);
  const at::Tensor first = y.narrow(0, 0, next_reference.size(0));
  const bool any = first.size(0) > 0;
  // None of the next block's weights are trained.
  BlockState state = {.keeps_inputs = false};
  const LossAndGradient ahead =
      ReconstructionLoss(any ? block.Forward(first, *next, &state) : first.clone(), next_reference, ranks);
  if (any) block.BackwardToInput(ahead.gradient, first, *next, state);
  const LossAndGradient own = ReconstructionLoss(y, reference, ranks);
  own.gradient.mul_(0.5);
  own.gradient.narrow(0, 0, first.size(0)).add_(ahead.gradient, 0.5);
  return {own.loss.add(ahead.loss).mul_(0.5), own.gradient};
}

}  // namespace besa::pruner
