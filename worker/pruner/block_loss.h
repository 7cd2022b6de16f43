// The loss that a block is trained on, in its allocation and in recovery: of what it gives (reconstruction_loss.h) and,
// where it looks ahead, of what the dense block behind it makes of that. Both count alike:
//
//   mean of loss(y, reference) and loss(next(y'), next_reference)
//
// where y' are the windows that look ahead, the first ones of the batch or all of them (WindowsLookingAhead). What the
// next block does not see may go wrong for less than what it amplifies.
#pragma once

#include "worker/pruner/activations.h"
#include "worker/pruner/llama_block.h"
#include "worker/pruner/rank_group.h"
#include "worker/pruner/reconstruction_loss.h"

namespace besa::pruner {

// A rank's share of a batch of samples, [share, length, hidden]: x, reference and, where the loss looks ahead,
// next_reference of the first of them; else that is undefined.
using TrainingBatch = ActivationFeed::Batch;

// `y`: what the block gave for x. `block` runs the next one, too, whose weights are `next`, or null: then the loss does
// not look ahead. Otherwise as ReconstructionLoss.
LossAndGradient BlockLoss(const LlamaBlock& block, const BlockWeights* next, const at::Tensor& y,
                          const TrainingBatch& batch, RankGroup& ranks);

}  // namespace besa::pruner
