#include "worker/pruner/rope.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/sin.h>

#include <algorithm>
#include <array>
#include <numbers>

#include "worker/pruner/tensor_view.h"

namespace besa::pruner {
namespace {

using storage::RopeScaling;

// In place; float64 on the host.
void Scale(const at::Tensor& frequency, const RopeScaling& scaling) {
  double* values = frequency.data_ptr<double>();
  for (int64_t i = 0; i < frequency.numel(); ++i) {
    double kept = 1.0;
    if (scaling.kind == RopeScaling::Kind::kLinear) kept = 0.0;
    if (scaling.kind == RopeScaling::Kind::kLlama3) {
      // How often the dimension turns within the context it was trained on: fast ones stay, slow ones are stretched.
      const double turns = static_cast<double>(scaling.original_context) * values[i] / (2.0 * std::numbers::pi);
      kept = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
      kept = std::clamp(kept, 0.0, 1.0);
    }
    values[i] = kept * values[i] + (1.0 - kept) * values[i] / scaling.factor;
  }
}

}  // namespace

Rope::Rope(int64_t length, int64_t head_dim, double theta, const RopeScaling& scaling,
           const at::TensorOptions& options) {
  // Made in float64 on the host whatever the device, so that every device uses the same table.
  const at::TensorOptions host = at::TensorOptions().dtype(at::kDouble).device(at::kCPU);
  const at::Tensor frequency = at::pow(theta, at::arange(0, head_dim, 2, host).div(-static_cast<double>(head_dim)));
  if (scaling.kind != RopeScaling::Kind::kNone) Scale(frequency, scaling);
  const at::Tensor angle = at::outer(at::arange(length, host), frequency);
  const at::ScalarType type = options.dtype() == at::kDouble ? at::kDouble : at::kFloat;
  cos_ = at::cos(angle).to(options.device(), type);
  sin_ = at::sin(angle).to(options.device(), type);
}

int64_t Rope::length() const { return cos_.size(0); }

kernels::RotaryTable Rope::Table() const {
  return {.cos = cos_.data_ptr(), .sin = sin_.data_ptr(), .length = length(), .head_dim = 2 * cos_.size(1)};
}

void Rope::Rotate(const at::Tensor& x, int64_t heads) const {
  Check(kernels::Rotate(DeviceOf(x), MatrixOf(x), heads, Table(), kernels::Rotation::kForward));
}

void Rope::GatherBack(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& x) const {
  // They have to live as long as their views.
  std::array<at::Tensor, 3> sources = {q, k, v};
  std::array<kernels::HeadsView, 3> views;
  for (size_t i = 0; i < sources.size(); ++i) {
    at::Tensor& source = sources[i];
    TORCH_CHECK(source.size(2) == length() && source.scalar_type() == x.scalar_type(), "gradients of sequences of ",
                source.size(2), " tokens in ", source.scalar_type(), "; expected ", length(), " in ", x.scalar_type());
    if (source.stride(3) != 1) source = source.contiguous();
    views[i] = {.data = source.data_ptr(),
                .heads = source.size(1),
                .sequence = source.stride(0),
                .head = source.stride(1),
                .token = source.stride(2)};
  }
  Check(
      kernels::GatherHeads(DeviceOf(x), views[0], views[1], views[2], Table(), kernels::Rotation::kBack, MatrixOf(x)));
}

}  // namespace besa::pruner
