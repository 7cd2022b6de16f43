#include "worker/pruner/rope.h"

#include <ATen/ops/addcmul.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/sin.h>

namespace besa::pruner {

Rope::Rope(int64_t length, int64_t head_dim, double theta, const at::TensorOptions& options) {
  // Made in float64 on the host whatever the device, so that every device uses the same table.
  const at::TensorOptions host = at::TensorOptions().dtype(at::kDouble).device(at::kCPU);
  const at::Tensor frequency = at::pow(theta, at::arange(0, head_dim, 2, host).div(-static_cast<double>(head_dim)));
  const at::Tensor angle = at::outer(at::arange(length, host), frequency).unsqueeze(1);
  const at::ScalarType type = options.dtype() == at::kDouble ? at::kDouble : at::kFloat;
  cos_ = at::cos(angle).to(options.device(), type);
  sin_ = at::sin(angle).to(options.device(), type);
}

int64_t Rope::length() const { return cos_.size(0); }

void Rope::Rotate(const at::Tensor& x) const { Apply(x, 1.0); }
void Rope::RotateBack(const at::Tensor& x) const { Apply(x, -1.0); }

void Rope::Apply(const at::Tensor& x, double sign) const {
  const int64_t half = x.size(-1) / 2;
  at::Tensor first = x.narrow(-1, 0, half);
  at::Tensor second = x.narrow(-1, half, half);
  // In the table's type: bfloat16 is rounded once, on the way back into x.
  const at::Tensor rotated_first = at::mul(first, cos_).addcmul_(second, sin_, -sign);
  const at::Tensor rotated_second = at::mul(second, cos_).addcmul_(first, sin_, sign);
  first.copy_(rotated_first);
  second.copy_(rotated_second);
}

}  // namespace besa::pruner
