// Rotary position embedding, as in Hugging Face's LLaMA: dimension i of a head is paired with i + head_dim / 2.
// Sources: Su et al., "RoFormer"; scaling as in transformers' modeling_rope_utils.py.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "storage/checkpoint/model_config.h"
#include "worker/kernels/block_kernels.h"

namespace besa::pruner {

class Rope {
 public:
  // Angles of positions 0..length-1. Kept in float64 for float64, else in float32.
  Rope(int64_t length, int64_t head_dim, double theta, const storage::RopeScaling& scaling,
       const at::TensorOptions& options);

  int64_t length() const;

  // Rotates the first `heads` heads of every token in place. x [tokens, any number of heads * head_dim], token t at
  // position t % length.
  void Rotate(const at::Tensor& x, int64_t heads) const;

  // The way back, for gradients: of q, k and v as attention takes them, [batch, their heads, length, head_dim] with any
  // strides, to those of the matrix `x` that they were views of, q's and k's heads rotated (by the transpose of
  // Rotate).
  void GatherBack(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& x) const;

 private:
  kernels::RotaryTable Table() const;

  // [length, head_dim / 2].
  at::Tensor cos_;
  at::Tensor sin_;
};

}  // namespace besa::pruner
