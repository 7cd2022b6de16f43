// Root-mean-square normalisation (Zhang and Sennrich 2019), forward and backward.
#pragma once

#include <ATen/core/Tensor.h>

namespace besa::pruner {

// float64 for float64, else float32: what norms, losses and sums are computed in.
at::ScalarType AccumulatorType(at::ScalarType type);

struct RmsNormResult {
  // Like x.
  at::Tensor output;
  // 1 / sqrt(mean(x^2) + eps), [..., 1] in the accumulator type.
  at::Tensor inverse_rms;
};

// x [..., hidden], weight [hidden] or as many leading dimensions of x as it varies in.
RmsNormResult RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);

// The gradient that reaches x through the norm, in the accumulator type.
at::Tensor RmsNormBackward(const at::Tensor& gradient_output, const at::Tensor& x, const at::Tensor& weight,
                           const at::Tensor& inverse_rms);

// Adds it to `gradient_x`.
void AddRmsNormBackward(const at::Tensor& gradient_output, const at::Tensor& x, const at::Tensor& weight,
                        const at::Tensor& inverse_rms, const at::Tensor& gradient_x);

}  // namespace besa::pruner
