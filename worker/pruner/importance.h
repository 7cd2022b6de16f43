// Which weights of a row matter least: Wanda's importance (Sun et al. 2023) from the dense block's own inputs.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>

#include "absl/status/status.h"
#include "worker/pruner/block_weights.h"
#include "worker/pruner/llama_block.h"
#include "worker/pruner/rank_group.h"

namespace besa::pruner {

// Sum over samples and tokens of x^2 of each input column, per group of linears.
class InputStatistics {
 public:
  InputStatistics(const BlockShape& shape, const at::TensorOptions& options);

  // Adds the inputs that a dense forward pass left in `state`.
  void Add(const BlockState& state);

  // Adds what the other ranks were given, once all are through.
  void AddUp(RankGroup& ranks);

  // BadNumbers of the first group whose sums are not finite.
  absl::Status CheckFinite(int64_t block_index) const;

  // [group cols] in the accumulator type.
  const at::Tensor& sums(Group group) const { return sums_[group]; }

 private:
  std::array<at::Tensor, kGroups> sums_;
};

// |W| * sqrt(sums / samples) [rows, cols], in the type of `sums` [cols].
at::Tensor Importance(const at::Tensor& weight, const at::Tensor& sums, int64_t samples);

// The columns of every row of every linear by ascending importance, into `orders` or new tensors: see RankRows.
void RankLinears(const BlockWeights& weights, const InputStatistics& statistics, int64_t samples,
                 const std::array<at::Tensor, kLinears>& orders);
std::array<at::Tensor, kLinears> RankLinears(const BlockWeights& weights, const InputStatistics& statistics,
                                             int64_t samples);

}  // namespace besa::pruner
