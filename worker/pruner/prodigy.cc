#include "worker/pruner/prodigy.h"

#include <ATen/ops/full.h>
#include <ATen/ops/maximum.h>
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

void Prodigy::Step(const at::Tensor& gradient_or_nan, const at::Tensor& apply) {
  // A step that is not applied runs with gradient 0, decay 1 and step size 0. Scalars stay on the device throughout.
  const double beta3 = std::sqrt(kBeta2);
  const at::Tensor zero = at::zeros({}, d_.options());
  const at::Tensor gradient = at::where(apply, gradient_or_nan, at::zeros({}, gradient_or_nan.options()));
  const at::Tensor d = at::where(apply, d_, zero);
  const auto decay = [&](double beta) { return at::where(apply, zero.add(beta), zero.add(1.0)); };

  // Distances are measured from the start at 0: <gradient, 0 - parameters>.
  const at::Tensor progress = gradient.mul(parameters_).sum(at::kDouble).neg_();
  numerator_.mul_(decay(beta3)).add_(progress.mul_(d).mul_(d).div_(kInitialD));

  first_moment_.mul_(decay(kBeta1)).add_(gradient.mul(d.mul(1.0 - kBeta1)));
  second_moment_.mul_(decay(kBeta2)).add_(gradient.square().mul_(d.square().mul_(1.0 - kBeta2)));
  gradient_sum_.mul_(decay(beta3)).add_(gradient.mul(d.square().div_(kInitialD)));

  const at::Tensor denominator = gradient_sum_.abs().sum(at::kDouble);
  const at::Tensor estimate = at::where(denominator.gt(0.0), numerator_.mul(d_coef_).div(denominator), zero);
  // d never falls. An estimate that overflowed is not taken over.
  const at::Tensor next_d = at::where(apply.logical_and(estimate.isfinite()), at::maximum(d_, estimate), d_);

  const at::Tensor scale = second_moment_.sqrt().add_(next_d.mul(kEps));
  // With d = 0 the update vanishes, if only the scale is not 0 too; eps * d keeps it from that.
  parameters_.sub_(first_moment_.mul(d).div_(scale));
  d_ = next_d;
}

}  // namespace besa::pruner
