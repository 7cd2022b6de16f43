#include "worker/pruner/autograd_twin.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace besa::pruner {
namespace {

at::Tensor Norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return x * at::rsqrt((x * x).mean(-1, true) + eps) * weight;
}

// As transformers' modeling_rope_utils.py has it.
at::Tensor Stretched(const at::Tensor& frequency, const storage::RopeScaling& scaling) {
  if (scaling.kind == storage::RopeScaling::Kind::kNone) return frequency;
  if (scaling.kind == storage::RopeScaling::Kind::kLinear) return frequency / scaling.factor;
  const double context = static_cast<double>(scaling.original_context);
  const at::Tensor wavelength = 2.0 * std::numbers::pi / frequency;
  const at::Tensor smooth =
      (context / wavelength - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
  const at::Tensor mixture = (1.0 - smooth) * frequency / scaling.factor + smooth * frequency;
  const at::Tensor fast = wavelength.lt(context / scaling.high_freq_factor);
  const at::Tensor slow = wavelength.gt(context / scaling.low_freq_factor);
  return at::where(fast, frequency, at::where(slow, frequency / scaling.factor, mixture));
}

at::Tensor Rotated(const at::Tensor& x, const BlockShape& shape) {
  const int64_t length = x.size(2);
  const int64_t half = x.size(3) / 2;
  const at::Tensor frequency =
      Stretched(at::pow(shape.rope_theta, at::arange(half, at::kDouble) * (-2.0 / static_cast<double>(x.size(3)))),
                shape.rope_scaling);
  const at::Tensor angle = at::outer(at::arange(length, at::kDouble), frequency).repeat({1, 2}).to(x.scalar_type());
  const at::Tensor turned = at::cat({-x.narrow(3, half, half), x.narrow(3, 0, half)}, 3);
  return x * angle.cos() + turned * angle.sin();
}

}  // namespace

at::Tensor TwinBlock(const at::Tensor& x, const BlockWeights& weights,
                     const std::array<at::Tensor, kLinears>& linears) {
  const BlockShape& shape = weights.shape;
  const int64_t batch = x.size(0);
  const int64_t length = x.size(1);
  const auto heads = [&](const at::Tensor& y, int64_t count) {
    return y.view({batch, length, count, shape.head_dim}).transpose(1, 2);
  };
  const at::Tensor n1 = Norm(x, weights.input_norm, shape.rms_norm_eps);
  const auto run = [&](Linear linear, const at::Tensor& input) {
    const at::Tensor product = at::matmul(input, linears[linear].t());
    const at::Tensor& bias = weights.biases[GroupOf(linear)];
    return bias.defined() ? product + LinearOfGroup(shape, linear, bias) : product;
  };
  // [heads, 1, head_dim] of q's heads, or of k's after them.
  const auto normed = [&](const at::Tensor& y, int64_t first) {
    if (!weights.qk_norm.defined()) return y;
    return Norm(y, weights.qk_norm.narrow(0, first, y.size(1)).unsqueeze(1), shape.rms_norm_eps);
  };
  const at::Tensor q = Rotated(normed(heads(run(kQ, n1), shape.heads), 0), shape);
  const at::Tensor k = Rotated(normed(heads(run(kK, n1), shape.kv_heads), shape.heads), shape);
  const at::Tensor v = heads(run(kV, n1), shape.kv_heads);
  const int64_t repeats = shape.heads / shape.kv_heads;
  const at::Tensor distance = at::arange(length).unsqueeze(1) - at::arange(length);
  at::Tensor hidden = distance.lt(0);
  if (shape.window > 0) hidden = hidden.logical_or(distance.ge(shape.window));
  const at::Tensor scores =
      at::matmul(q, k.repeat_interleave(repeats, 1).transpose(2, 3)) / std::sqrt(static_cast<double>(shape.head_dim));
  const at::Tensor probabilities =
      at::softmax(scores.masked_fill(hidden, -std::numeric_limits<double>::infinity()), -1);
  const at::Tensor attended = at::matmul(probabilities, v.repeat_interleave(repeats, 1))
                                  .transpose(1, 2)
                                  .reshape({batch, length, shape.heads * shape.head_dim});
  const at::Tensor r = x + run(kO, attended);
  const at::Tensor n2 = Norm(r, weights.post_attention_norm, shape.rms_norm_eps);
  const at::Tensor activation = at::silu(run(kGate, n2)) * run(kUp, n2);
  return r + run(kDown, activation);
}

at::Tensor TwinBlock(const at::Tensor& x, const BlockWeights& weights) {
  std::array<at::Tensor, kLinears> linears;
  for (Linear linear : kAllLinears) linears[linear] = weights.linear(linear);
  return TwinBlock(x, weights, linears);
}

at::Tensor TwinLoss(const at::Tensor& y, const at::Tensor& reference) {
  const at::Tensor difference = y - reference;
  const at::Tensor error = (difference * difference).sum(at::IntArrayRef{0, 1});
  const at::Tensor energy = (reference * reference).sum(at::IntArrayRef{0, 1});
  const at::Tensor counts = energy.gt(0.0);
  return (error.masked_select(counts) / energy.masked_select(counts)).mean();
}

at::Tensor TwinRank(const at::Tensor& weight, const at::Tensor& sum_of_squares, int64_t samples) {
  const at::Tensor importance = weight.abs() * (sum_of_squares / static_cast<double>(samples)).sqrt();
  const at::Tensor order = at::argsort(importance, /*stable=*/true, /*dim=*/1, /*descending=*/false);
  return at::argsort(order, /*stable=*/true, /*dim=*/1, /*descending=*/false);
}

AutogradTwin::AutogradTwin(const BlockWeights& dense, std::array<at::Tensor, kLinears> ranks,
                           const AllocationOptions& options, double d_coef)
    : dense_(dense), ranks_(std::move(ranks)), options_(options), d_coef_(d_coef) {
  const at::TensorOptions type = dense.groups[kQkv].options();
  candidates_ = at::arange(100, -1, -1, type) / 100.0;
  for (Linear linear : kAllLinears) {
    beta_[linear] = at::zeros({options.granularity == Granularity::kRow ? dense.shape.Rows(linear) : 1, 101}, type);
    first_moment_[linear] = at::zeros_like(beta_[linear]);
    second_moment_[linear] = at::zeros_like(beta_[linear]);
    gradient_sum_[linear] = at::zeros_like(beta_[linear]);
  }
}

at::Tensor AutogradTwin::Distribution(const at::Tensor& beta) const {
  if (options_.prior_sigma == 0.0) return at::softmax(at::sigmoid(beta), -1);
  const at::Tensor distance = (candidates_ - options_.sparsity) / options_.prior_sigma;
  return at::softmax(beta - distance * distance / 2.0, -1);
}

AutogradTwin::Step AutogradTwin::Train(const at::Tensor& x, const at::Tensor& reference, const BlockWeights* next,
                                       const at::Tensor& next_reference) {
  std::array<at::Tensor, kLinears> leaves;
  std::array<at::Tensor, kLinears> masked;
  at::Tensor sparsity = at::zeros({}, candidates_.options());
  for (Linear linear : kAllLinears) {
    const at::Tensor weight = dense_.linear(linear);
    const int64_t rows = weight.size(0);
    const int64_t cols = weight.size(1);
    leaves[linear] = beta_[linear].detach().clone().requires_grad_();
    const at::Tensor s = Distribution(leaves[linear]);
    const at::Tensor rate = at::matmul(s, candidates_);
    // [101, cols]: whether candidate d removes rank c.
    const at::Tensor counts = (at::arange(100, -1, -1, at::kLong) * cols).floor_divide(100);
    const at::Tensor removes = at::arange(cols, at::kLong).unsqueeze(0).lt(counts.unsqueeze(1)).to(s.scalar_type());
    const at::Tensor keep = (1.0 - at::matmul(s, removes)).expand({rows, cols}).gather(1, ranks_[linear]);
    const at::Tensor k = (rate.detach() * static_cast<double>(cols) + 1.0 / 1024.0).floor().expand({rows});
    const at::Tensor hard = ranks_[linear].ge(k.unsqueeze(1)).to(s.scalar_type());
    masked[linear] = weight * (hard + keep - keep.detach());
    sparsity = sparsity + rate.expand({rows}).sum() * static_cast<double>(cols);
  }
  sparsity = sparsity / static_cast<double>(dense_.shape.TotalWeights());

  const at::Tensor y = TwinBlock(x, dense_, masked);
  at::Tensor loss = TwinLoss(y, reference);
  if (next != nullptr) loss = (loss + TwinLoss(TwinBlock(y, *next), next_reference)) / 2.0;
  const at::Tensor deviation = (sparsity - options_.sparsity) / options_.sparsity;
  (loss + options_.penalty * deviation * deviation).backward();

  Step step{.loss = loss.item<double>(), .sparsity = sparsity.item<double>(), .d = d_};
  for (Linear linear : kAllLinears) step.gradient[linear] = leaves[linear].grad();
  Prodigy(step.gradient);
  return step;
}

void AutogradTwin::Prodigy(const std::array<at::Tensor, kLinears>& gradients) {
  const double d = d_;
  const double d0 = 1e-6;
  const double beta3 = std::sqrt(0.999);
  double denominator = 0.0;
  numerator_ *= beta3;
  for (Linear linear : kAllLinears) {
    const at::Tensor& gradient = gradients[linear];
    numerator_ += d / d0 * d * (gradient * -beta_[linear]).sum().item<double>();
    first_moment_[linear] = 0.9 * first_moment_[linear] + d * 0.1 * gradient;
    second_moment_[linear] = 0.999 * second_moment_[linear] + d * d * 0.001 * gradient * gradient;
    gradient_sum_[linear] = beta3 * gradient_sum_[linear] + d / d0 * d * gradient;
    denominator += gradient_sum_[linear].abs().sum().item<double>();
  }
  d_ = std::max(d_, d_coef_ * numerator_ / denominator);
  for (Linear linear : kAllLinears) {
    beta_[linear] = beta_[linear] - d * first_moment_[linear] / (second_moment_[linear].sqrt() + d_ * 1e-8);
  }
}

std::vector<double> AutogradTwin::Rates(Linear linear) const {
  const at::Tensor rate = at::matmul(Distribution(beta_[linear]), candidates_)
                              .to(at::kDouble)
                              .expand({dense_.shape.Rows(linear)})
                              .contiguous();
  return {rate.data_ptr<double>(), rate.data_ptr<double>() + rate.numel()};
}

std::vector<int32_t> AutogradTwin::Pruned(Linear linear) const {
  std::vector<int32_t> pruned;
  for (double rate : Rates(linear)) {
    pruned.push_back(
        static_cast<int32_t>(std::floor(static_cast<double>(dense_.shape.Cols(linear)) * rate + 1.0 / 1024.0)));
  }
  return pruned;
}

}  // namespace besa::pruner
