// Rotary position embedding, as in Hugging Face's LLaMA: dimension i of a head is paired with i + head_dim / 2.
// Sources: Su et al., "RoFormer"; scaling as in transformers' modeling_rope_utils.py.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "storage/checkpoint/model_config.h"

namespace besa::pruner {

class Rope {
 public:
  // Angles of positions 0..length-1. Kept in float64 for float64, else in float32.
  Rope(int64_t length, int64_t head_dim, double theta, const storage::RopeScaling& scaling,
       const at::TensorOptions& options);

  int64_t length() const;

  // x [batch, length, heads, head_dim] (any strides), rotated in place.
  void Rotate(const at::Tensor& x) const;
  // The transpose of Rotate, for gradients.
  void RotateBack(const at::Tensor& x) const;

 private:
  void Apply(const at::Tensor& x, double sign) const;

  // [length, 1, head_dim / 2].
  at::Tensor cos_;
  at::Tensor sin_;
};

}  // namespace besa::pruner
