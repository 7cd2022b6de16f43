// Recovery: once the masks of a block are fixed, what is kept of its seven linears is tuned against the loss that the
// allocation is learned on, by Adam with a learning rate that falls to 0 along half a cosine. See docs/method.md.
//
// The weights that steps add up in are float32 (float64 in a float64 block), the block computes with what these round
// to. Removed weights stay +0.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>

#include "worker/kernels/adam_kernels.h"
#include "worker/pruner/block_trainer.h"
#include "worker/pruner/block_weights.h"
#include "worker/pruner/llama_block.h"
#include "worker/pruner/pruning_method.h"
#include "worker/pruner/step_graph.h"

namespace besa::pruner {

class RecoveryTrainer {
 public:
  // `block` must outlive it. It trains in the linears of `weights` and reads what else is in there. Every recovery
  // takes `steps` steps.
  RecoveryTrainer(const LlamaBlock& block, const BlockWeights& weights, const RecoveryOptions& options, int64_t steps);

  // Begins a recovery of the block that `linears` are to be made of `dense`. All buffers stay where they are.
  void Begin(const BlockWeights& dense, const std::array<LinearPruning, kLinears>& linears);

  // One step on x and reference [batch, length, hidden]. Returns its StepRecord, [StepRecord::kSize]: on CUDA valid
  // until the next step.
  at::Tensor Step(const at::Tensor& x, const at::Tensor& reference);

  // The linear before it is rounded, [rows, cols]; changes with every step.
  at::Tensor master(Linear linear) const { return master_.linear(linear); }

  // Bytes of its own buffers: for every weight these states, and a gradient in the type that the block computes in.
  int64_t bytes() const;
  static constexpr int64_t kStatesPerWeight = 3;

 private:
  at::Tensor ComputeStep(const at::Tensor& x, const at::Tensor& reference);

  const LlamaBlock& block_;
  BlockWeights weights_;
  kernels::AdamOptions options_;
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
  StepGraph graph_;
};

}  // namespace besa::pruner
