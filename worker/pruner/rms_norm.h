// Root-mean-square normalisation (Zhang and Sennrich 2019), forward and backward.
#pragma once

#include <ATen/core/Tensor.h>

namespace besa::pruner {

// float64 for float64, else float32: what norms, losses and sums are computed in.
at::ScalarType AccumulatorType(at::ScalarType type);

struct RmsNormResult {
  // [tokens, heads * features], typed as x.
  at::Tensor output;
  // 1 / sqrt(mean(x^2) + eps), [tokens, heads] in the accumulator type.
  at::Tensor inverse_rms;
};

// x [tokens, at least heads * features], weight [heads, features] or, for one head, [features]: the first heads of
// every token are normalised, each by itself.
RmsNormResult RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);

// Replaces gradient (laid out as x, dL/d output) by the gradient that reaches x through the norm. What is behind the
// heads stays as it is.
void RmsNormBackward(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                     const at::Tensor& inverse_rms);

// Adds it to `gradient_x`.
void AddRmsNormBackward(const at::Tensor& gradient_output, const at::Tensor& x, const at::Tensor& weight,
                        const at::Tensor& inverse_rms, const at::Tensor& gradient_x);

}  // namespace besa::pruner
