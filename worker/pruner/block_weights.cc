#include "worker/pruner/block_weights.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

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

at::Tensor LinearOfGroup(const BlockShape& shape, Linear linear, const at::Tensor& group) {
  return group.narrow(0, shape.RowInGroup(linear), shape.Rows(linear));
}

}  // namespace besa::pruner
