#include "worker/pruner/prodigy.h"

#include <ATen/ops/dot.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

namespace besa::pruner {
namespace {

constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.999;
constexpr double kInitialD = 1e-6;
constexpr double kEps = 1e-8;

}  // namespace

Prodigy::Prodigy(const at::Tensor& parameters, double d_coef)
    : d_coef_(d_coef),
      parameters_(parameters),
      first_moment_(at::zeros_like(parameters)),
      second_moment_(at::zeros_like(parameters)),
      gradient_sum_(at::zeros_like(parameters)) {
  const at::TensorOptions scalar = parameters.options().dtype(at::kDouble);
  d_ = at::full({}, kInitialD, scalar);
  numerator_ = at::zeros({}, scalar);
}

void Prodigy::Restart() {
  for (const at::Tensor& state : {first_moment_, second_moment_, gradient_sum_, numerator_}) state.zero_();
  d_.fill_(kInitialD);
}

void Prodigy::Step(const at::Tensor& gradient_or_nan, const at::Tensor& apply) {
  // A step that is not applied runs with gradient 0, decay 1 and step size 0. Scalars stay on the device throughout.
  const double beta3 = std::sqrt(kBeta2);
  const at::Tensor zero = at::zeros({}, d_.options());
  at::Tensor gradient = at::where(apply, gradient_or_nan, at::zeros({}, gradient_or_nan.options()));
  const at::Tensor d = at::where(apply, d_, zero);
  const auto decay = [&](double beta) { return at::where(apply, zero.add(beta), zero.add(1.0)); };

  // Distances are measured from the start at 0: <gradient, 0 - parameters>.
  const at::Tensor progress = at::dot(gradient.view(-1), parameters_.view(-1)).neg_();
  numerator_.mul_(decay(beta3)).add_(progress.mul_(d).mul_(d).div_(kInitialD));

  const at::Tensor scaled = gradient.mul_(d);
  first_moment_.mul_(decay(kBeta1)).add_(scaled, 1.0 - kBeta1);
  second_moment_.mul_(decay(kBeta2)).addcmul_(scaled, scaled, 1.0 - kBeta2);
  gradient_sum_.mul_(decay(beta3)).addcmul_(scaled, d, 1.0 / kInitialD);

  const at::Tensor denominator = at::linalg_vector_norm(gradient_sum_.view(-1), 1);
  const at::Tensor estimate = at::where(denominator.gt(0.0), numerator_.mul(d_coef_).div(denominator), zero);
  // d never falls. An estimate that overflowed is not taken over.
  const at::Tensor next_d = at::where(apply.logical_and(estimate.isfinite()), at::maximum(d_, estimate), d_);

  // p -= d * m / (sqrt(v) + eps * next d), with d in the divisor: where d is 0, the update is m / infinity. eps * next
  // d keeps the divisor from being 0 / 0.
  const at::Tensor divisor = at::sqrt_out(gradient, second_moment_).add_(next_d.mul(kEps)).div_(d);
  parameters_.addcdiv_(first_moment_, divisor, -1.0);
  d_.copy_(next_d);
}

}  // namespace besa::pruner
