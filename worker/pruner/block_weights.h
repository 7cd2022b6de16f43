// The weights of one block on the device.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>

#include "worker/pruner/block_shape.h"

namespace besa::pruner {

struct BlockWeights {
  BlockShape shape;
  // [hidden].
  at::Tensor input_norm;
  at::Tensor post_attention_norm;
  // [heads + kv_heads, head_dim]: of each head of q, then of k. Undefined where heads are not normalised.
  at::Tensor qk_norm;
  // One matrix [group rows, group cols] a group.
  std::array<at::Tensor, kGroups> groups;
  // [group rows], undefined for a group without.
  std::array<at::Tensor, kGroups> biases;

  // Everything that the shape has, uninitialised; and the linears alone, everything else undefined.
  static BlockWeights Allocate(const BlockShape& shape, const at::TensorOptions& options);
  static BlockWeights AllocateLinears(const BlockShape& shape, const at::TensorOptions& options);

  // A block with linears of its own, uninitialised, that shares everything else (what is never pruned) with this one.
  BlockWeights WithOwnLinears() const;

  // A view [rows, cols] of one linear, contiguous.
  at::Tensor linear(Linear linear) const;
};

// Memory for one group's gradient at a time: matrices of all groups that begin at the same address.
std::array<at::Tensor, kGroups> SharedGroups(const BlockShape& shape, const at::TensorOptions& options);

// Memory for the gradients of all groups side by side, and each group's matrix in it: the linears lie in their order.
struct FlatGroups {
  at::Tensor all;
  std::array<at::Tensor, kGroups> groups;

  static FlatGroups Allocate(const BlockShape& shape, const at::TensorOptions& options);
};

// Views of one linear inside a matrix of its group.
at::Tensor LinearOfGroup(const BlockShape& shape, Linear linear, const at::Tensor& group);

}  // namespace besa::pruner
