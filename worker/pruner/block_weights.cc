#include "worker/pruner/block_weights.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>

namespace besa::pruner {

BlockWeights BlockWeights::AllocateLinears(const BlockShape& shape, const at::TensorOptions& options) {
  BlockWeights weights{.shape = shape};
  for (int group = 0; group < kGroups; ++group) {
    weights.groups[group] = at::empty({shape.GroupRows(Group(group)), shape.GroupCols(Group(group))}, options);
  }
  return weights;
}

BlockWeights BlockWeights::Allocate(const BlockShape& shape, const at::TensorOptions& options) {
  BlockWeights weights = AllocateLinears(shape, options);
  weights.input_norm = at::empty({shape.hidden}, options);
  weights.post_attention_norm = at::empty({shape.hidden}, options);
  for (int group = 0; group < kGroups; ++group) {
    if (shape.HasBias(Group(group))) weights.biases[group] = at::empty({shape.GroupRows(Group(group))}, options);
  }
  if (shape.qk_norm) weights.qk_norm = at::empty({shape.heads + shape.kv_heads, shape.head_dim}, options);
  return weights;
}

BlockWeights BlockWeights::WithOwnLinears() const {
  BlockWeights weights = *this;
  for (at::Tensor& group : weights.groups) group = at::empty_like(group);
  return weights;
}

at::Tensor BlockWeights::linear(Linear linear) const { return LinearOfGroup(shape, linear, groups[GroupOf(linear)]); }

std::array<at::Tensor, kGroups> SharedGroups(const BlockShape& shape, const at::TensorOptions& options) {
  int64_t largest = 0;
  for (int group = 0; group < kGroups; ++group) {
    largest = std::max(largest, shape.GroupRows(Group(group)) * shape.GroupCols(Group(group)));
  }
  const at::Tensor memory = at::empty({largest}, options);
  std::array<at::Tensor, kGroups> groups;
  for (int group = 0; group < kGroups; ++group) {
    const int64_t rows = shape.GroupRows(Group(group));
    const int64_t cols = shape.GroupCols(Group(group));
    groups[group] = memory.narrow(0, 0, rows * cols).view({rows, cols});
  }
  return groups;
}

FlatGroups FlatGroups::Allocate(const BlockShape& shape, const at::TensorOptions& options) {
  FlatGroups flat{.all = at::empty({shape.TotalWeights()}, options)};
  int64_t begin = 0;
  for (int group = 0; group < kGroups; ++group) {
    const int64_t rows = shape.GroupRows(Group(group));
    const int64_t cols = shape.GroupCols(Group(group));
    flat.groups[group] = flat.all.narrow(0, begin, rows * cols).view({rows, cols});
    begin += rows * cols;
  }
  return flat;
}

at::Tensor LinearOfGroup(const BlockShape& shape, Linear linear, const at::Tensor& group) {
  return group.narrow(0, shape.RowInGroup(linear), shape.Rows(linear));
}

}  // namespace besa::pruner
