// The device buffers that an engine prunes its blocks in, one after the other: at the same addresses for all blocks of
// a shape, so that what was set up for the first (the recorded training step above all) serves every other.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <memory>
#include <optional>

#include "worker/pruner/block_trainer.h"
#include "worker/pruner/block_weights.h"
#include "worker/pruner/llama_block.h"
#include "worker/pruner/rank_group.h"
#include "worker/pruner/recovery.h"

namespace besa::pruner {

// Not thread-safe.
class BlockWorkspace {
 public:
  // Trains together with these ranks, which must outlive it.
  explicit BlockWorkspace(RankGroup& ranks = RankGroup::Alone()) : ranks_(&ranks) {}

  // Trains together with these from now on; likewise.
  void JoinRanks(RankGroup& ranks);

  // Gets everything ready for blocks of this shape and sequences of `length` tokens, in the type and on the device of
  // `options`. Buffers of another kind are let go first.
  void Prepare(const BlockShape& shape, int64_t length, const at::TensorOptions& options);

  // Lets go of everything.
  void Clear();

  // Lets go of what the next block's training would not find at the same address anyway.
  void Trim();

  // Bytes of device memory that are held; on CUDA without what a recorded step works in.
  int64_t bytes() const;

  // Valid after Prepare, until it is called for another kind of block.
  const LlamaBlock& block() const { return *block_; }
  // The dense weights of the block at hand: for the caller to fill.
  BlockWeights& dense() { return dense_; }
  // The columns of each row by ascending importance (see RankRows), [rows, cols] a linear: likewise.
  const std::array<at::Tensor, kLinears>& orders();

  // What the block becomes: linears of its own, uninitialised until somebody writes them.
  BlockWeights& pruned();

  // The dense weights of the block behind it, which has this shape: likewise, where losses look ahead.
  BlockWeights& Next(const BlockShape& shape);

  // A trainer on dense() and orders(), at the start of its training. It trains in pruned(), and may look ahead at what
  // Next gave.
  BlockTrainer& Trainer(const AllocationOptions& options, double d_coef, bool looks_ahead);

  // One for recoveries of so many steps, which is yet to begin. It trains in pruned(), too.
  RecoveryTrainer& Recovery(const RecoveryOptions& options, int64_t steps, bool looks_ahead);

 private:
  // What a recorded step leaves in the allocator's cache is of no use to anybody else.
  void LetGoOfTrainers();

  RankGroup* ranks_;
  std::optional<LlamaBlock> block_;
  int64_t length_ = 0;
  at::TensorOptions tensor_options_;
  BlockWeights dense_;
  BlockWeights pruned_;
  BlockWeights next_;
  std::array<at::Tensor, kLinears> orders_;
  std::unique_ptr<BlockTrainer> trainer_;
  AllocationOptions trainer_options_;
  double trainer_d_coef_ = 0.0;
  bool trainer_looks_ahead_ = false;
  std::unique_ptr<RecoveryTrainer> recovery_;
  RecoveryOptions recovery_options_;
  int64_t recovery_steps_ = 0;
  bool recovery_looks_ahead_ = false;
};

}  // namespace besa::pruner
