#include "worker/pruner/rms_norm.h"

#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mul.h>

namespace besa::pruner {

at::ScalarType AccumulatorType(at::ScalarType type) { return type == at::kDouble ? at::kDouble : at::kFloat; }

RmsNormResult RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::ScalarType accumulator = AccumulatorType(x.scalar_type());
  at::Tensor inverse_rms = at::linalg_vector_norm(x, 2, at::IntArrayRef{-1}, /*keepdim=*/true, accumulator);
  inverse_rms.square_().div_(static_cast<double>(x.size(-1))).add_(eps).rsqrt_();
  at::Tensor output = at::mul(x, inverse_rms).mul_(weight);
  return {output.to(x.scalar_type()), inverse_rms};
}

at::Tensor RmsNormBackward(const at::Tensor& gradient_output, const at::Tensor& x, const at::Tensor& weight,
                           const at::Tensor& inverse_rms) {
  // With u = weight * gradient_output and r = inverse_rms:  dx = r * u - x * r^3 * mean(u * x).
  at::Tensor scaled = at::mul(gradient_output.to(inverse_rms.scalar_type()), weight);
  const at::Tensor mean = at::mul(scaled, x).mean(-1, /*keepdim=*/true);
  const at::Tensor along_x = mean.mul_(inverse_rms).mul_(inverse_rms).mul_(inverse_rms);
  return scaled.mul_(inverse_rms).addcmul_(x, along_x, -1.0);
}

void AddRmsNormBackward(const at::Tensor& gradient_output, const at::Tensor& x, const at::Tensor& weight,
                        const at::Tensor& inverse_rms, const at::Tensor& gradient_x) {
  gradient_x.add_(RmsNormBackward(gradient_output, x, weight, inverse_rms));
}

}  // namespace besa::pruner
