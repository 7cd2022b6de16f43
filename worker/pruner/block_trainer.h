// Learns the allocation of one block: the fast path of docs/method.md. No autograd, no [101 x cols] products, no masks.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "worker/pruner/allocation.h"
#include "worker/pruner/block_loss.h"
#include "worker/pruner/block_weights.h"
#include "worker/pruner/llama_block.h"
#include "worker/pruner/prodigy.h"
#include "worker/pruner/rank_group.h"
#include "worker/pruner/step_graph.h"

namespace besa::pruner {

// What one step did: a float64 vector on the device, so that steps can be queued without waiting for each other.
struct StepRecord {
  // Prodigy's d is the one before the step. From kFinite on, by linear: 1 if its gradient is all finite, else 0. The
  // step was skipped unless all are.
  enum Field : int { kLoss, kSparsity, kD, kFinite };
  static constexpr int64_t kSize = kFinite + kLinears;
};

class BlockTrainer {
 public:
  // `block`, `dense` and `orders` (of RankLinears) must outlive it; their contents may change between trainings. Masked
  // weights are written to `masked` (BlockWeights::WithOwnLinears of `dense`), which is others' between trainings, too:
  // within one, a step writes what has changed since the step before. Allocates one gradient buffer.
  //
  // With `next`, the dense block behind this one, the loss looks ahead (block_loss.h).
  //
  // The trainers of several ranks do every step together, each with its share of the batch, which may be empty: what
  // they learn is the same on all.
  BlockTrainer(const LlamaBlock& block, const BlockWeights& dense, const std::array<at::Tensor, kLinears>& orders,
               const BlockWeights& masked, const AllocationOptions& options, double d_coef,
               const BlockWeights* next = nullptr, RankGroup& ranks = RankGroup::Alone());

  // Begins another training: logits and optimiser are as new, all buffers stay where they are.
  void Restart();

  // One step. Returns its StepRecord, [StepRecord::kSize]: on CUDA valid until the next step.
  at::Tensor Step(const TrainingBatch& batch);

  // The first half of a step: dL/dbeta at the current logits, [groups, 101], and the loss.
  at::Tensor Gradient(const TrainingBatch& batch, at::Tensor& loss, Allocation::Rates& rates);

  // Bytes of its own buffers.
  int64_t bytes() const;

  const Allocation& allocation() const { return allocation_; }

 private:
  // The pruned block for these counts, [rows of the block] int32 on the device: what differs from the last counts.
  void WriteMaskedWeights(const at::Tensor& pruned);
  at::Tensor ComputeStep(const TrainingBatch& batch);

  const LlamaBlock& block_;
  const BlockWeights& dense_;
  const std::array<at::Tensor, kLinears>& orders_;
  Allocation allocation_;
  Prodigy optimizer_;
  BlockWeights masked_;
  // What the rows of masked_ were written for, [rows of the block] int32: how many weights are removed. Below 0 where
  // nobody knows.
  at::Tensor written_;
  // In one memory.
  std::array<at::Tensor, kGroups> gradients_;
  // [rows of the block, 101].
  at::Tensor histogram_;
  const BlockWeights* next_;
  RankGroup& ranks_;
  StepGraph graph_;
};

}  // namespace besa::pruner
