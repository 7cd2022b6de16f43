// Learns the allocation of one block: the fast path of docs/method.md. No autograd, no [101 x cols] products, no masks.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "worker/pruner/allocation.h"
#include "worker/pruner/block_weights.h"
#include "worker/pruner/llama_block.h"
#include "worker/pruner/prodigy.h"

namespace besa::pruner {

// What one step did. Scalars on the device, so that steps can be queued without waiting for each other.
struct StepResult {
  at::Tensor loss;
  at::Tensor sparsity;
  // Prodigy's d before the step.
  at::Tensor d;
  // By linear, [7] bool: whether its gradient is all finite. The step was skipped unless all are.
  at::Tensor finite;
};

class BlockTrainer {
 public:
  // `block`, `dense` and `orders` (of RankLinears) must outlive it. Allocates the masked weights and one gradient
  // buffer.
  BlockTrainer(const LlamaBlock& block, const BlockWeights& dense, const std::array<at::Tensor, kLinears>& orders,
               const AllocationOptions& options, double d_coef);

  // One step on x and reference [batch, length, hidden].
  StepResult Step(const at::Tensor& x, const at::Tensor& reference);

  // The first half of a step: dL/dbeta at the current logits, [groups, 101].
  at::Tensor Gradient(const at::Tensor& x, const at::Tensor& reference, StepResult& result);

  const Allocation& allocation() const { return allocation_; }

  // Overwrites the masked weights: the pruned block for these counts, [rows of the block] int32 on the device.
  const BlockWeights& Masked(const at::Tensor& pruned);

 private:
  const LlamaBlock& block_;
  const BlockWeights& dense_;
  const std::array<at::Tensor, kLinears>& orders_;
  Allocation allocation_;
  Prodigy optimizer_;
  BlockWeights masked_;
  at::Tensor gradient_buffer_;
  // [rows of the block, 101].
  at::Tensor histogram_;
};

}  // namespace besa::pruner
