#include "worker/pruner/importance.h"

#include <ATen/ops/zeros.h>

#include "worker/pruner/errors.h"
#include "worker/pruner/rms_norm.h"
#include "worker/pruner/tensor_kernels.h"

namespace besa::pruner {

InputStatistics::InputStatistics(const BlockShape& shape, const at::TensorOptions& options) {
  const auto type = AccumulatorType(options.dtype().toScalarType());
  for (int group = 0; group < kGroups; ++group) {
    sums_[group] = at::zeros({shape.GroupCols(Group(group))}, options.dtype(type));
  }
}

void InputStatistics::Add(const BlockState& state) {
  for (int group = 0; group < kGroups; ++group) AddColumnSquares(state.inputs[group], sums_[group]);
}

void InputStatistics::AddUp(RankGroup& ranks) {
  for (const at::Tensor& sums : sums_) ranks.AllReduceSum(sums);
}

absl::Status InputStatistics::CheckFinite(int64_t block_index) const {
  for (int group = 0; group < kGroups; ++group) {
    if (CountNonFinite(sums_[group].unsqueeze(0)) > 0) {
      return BadNumbers(block_index, GroupName(Group(group)), "the squares of its inputs add up to infinity");
    }
  }
  return absl::OkStatus();
}

at::Tensor Importance(const at::Tensor& weight, const at::Tensor& sums, int64_t samples) {
  return weight.to(sums.scalar_type()).abs().mul_(sums.div(samples).sqrt_());
}

void RankLinears(const BlockWeights& weights, const InputStatistics& statistics, int64_t samples,
                 const std::array<at::Tensor, kLinears>& orders) {
  for (Linear linear : kAllLinears) {
    RankRows(weights.linear(linear), statistics.sums(GroupOf(linear)), samples, orders[linear]);
  }
}

std::array<at::Tensor, kLinears> RankLinears(const BlockWeights& weights, const InputStatistics& statistics,
                                             int64_t samples) {
  std::array<at::Tensor, kLinears> orders;
  for (Linear linear : kAllLinears) {
    orders[linear] = RankRows(weights.linear(linear), statistics.sums(GroupOf(linear)), samples);
  }
  return orders;
}

}  // namespace besa::pruner
