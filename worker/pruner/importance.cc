#include "worker/pruner/importance.h"

#include <ATen/ops/zeros.h>

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

std::array<at::Tensor, kLinears> RankLinears(const BlockWeights& weights, const InputStatistics& statistics,
                                             int64_t samples) {
  std::array<at::Tensor, kLinears> orders;
  for (Linear linear : kAllLinears) {
    orders[linear] = RankRows(weights.linear(linear), statistics.sums(GroupOf(linear)), samples);
  }
  return orders;
}

}  // namespace besa::pruner
