// Recovery: once it is decided how much goes of every row, what is kept of a block's seven linears is tuned against the
// loss that the allocation is learned on, by Adam with a learning rate that falls to 0 along half a cosine. What goes
// is removed before the first step or, as a rule, bit by bit (mask_growth.h): each time the least important of each row
// by then. See docs/method.md.
//
// The weights that steps add up in are float32 (float64 in a float64 block), the block computes with what these round
// to. Removed weights are +0 and stay it.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>

#include "worker/kernels/adam_kernels.h"
#include "worker/pruner/block_trainer.h"
#include "worker/pruner/block_weights.h"
#include "worker/pruner/llama_block.h"
#include "worker/pruner/mask_growth.h"
#include "worker/pruner/pruning_method.h"
#include "worker/pruner/step_graph.h"

namespace besa::pruner {

class RecoveryTrainer {
 public:
  // `block` must outlive it. It trains in the linears of `weights` and reads what else is in there; `dense` are the
  // block's own linears, which the caller may fill anew for every block. Every recovery takes `steps` steps. `next` and
  // ranks as in BlockTrainer.
  RecoveryTrainer(const LlamaBlock& block, const BlockWeights& dense, const BlockWeights& weights,
                  const RecoveryOptions& options, int64_t steps, const BlockWeights* next = nullptr,
                  RankGroup& ranks = RankGroup::Alone());

  // Begins a recovery of the block that `linears` are to be made of the dense one. All buffers stay where they are.
  // Where masks grow, `order` of the linears is written anew, in its place: after the last step the first pruned[r] of
  // row r are what was removed.
  void Begin(const std::array<LinearPruning, kLinears>& linears);

  // One step. Returns its StepRecord, [StepRecord::kSize]: on CUDA valid until the next step.
  at::Tensor Step(const TrainingBatch& batch);

  // The linear before it is rounded, [rows, cols]; changes with every step.
  at::Tensor master(Linear linear) const { return master_.linear(linear); }

  // Bytes of its own buffers: for every weight these states, and a gradient in the type that the block computes in.
  int64_t bytes() const;
  static constexpr int64_t kStatesPerWeight = 3;

 private:
  // The buffers of a linear that is being recovered, all but `counts` as in LinearPruning.
  struct Removal {
    at::Tensor order;
    at::Tensor squares;
    Pattern pattern;
    // What is to be removed of each row in the end, int32 [rows], on the device.
    at::Tensor counts;
  };

  // Removes this share of what is to go: by the order that there is, or by a new one.
  void Remove(double share, bool rank_anew);
  at::Tensor ComputeStep(const TrainingBatch& batch);

  const LlamaBlock& block_;
  BlockWeights dense_;
  BlockWeights weights_;
  kernels::AdamOptions options_;
  RecoveryMasks masks_;
  MaskGrowth growth_;
  int64_t step_ = 0;
  std::array<Removal, kLinears> removals_;
  BlockWeights master_;
  BlockWeights first_moment_;
  BlockWeights second_moment_;
  FlatGroups gradient_;
  // Whether the gradient of each linear is finite, and whether all are.
  at::Tensor finite_;
  at::Tensor all_finite_;
  // A kernels::AdamClock, float64.
  at::Tensor clock_;
  // Share of the block's weights that is removed, a float64 scalar.
  at::Tensor sparsity_;
  const BlockWeights* next_;
  RankGroup& ranks_;
  StepGraph graph_;
};

}  // namespace besa::pruner
