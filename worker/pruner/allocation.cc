#include "worker/pruner/allocation.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tril.h>
#include <ATen/ops/zeros.h>

#include "worker/kernels/kernels.h"

namespace besa::pruner {
namespace {

using kernels::kCandidates;

// Rates within this much of a whole number of weights count as that number: it absorbs the softmax's rounding.
constexpr double kRoundingSlack = 1.0 / 1024.0;

}  // namespace

Allocation::Allocation(const BlockShape& shape, const AllocationOptions& options, at::Device device)
    : shape_(shape), options_(options) {
  const bool by_row = options.granularity == Granularity::kRow;
  for (Linear linear : kAllLinears) {
    first_row_[linear + 1] = first_row_[linear] + shape.Rows(linear);
    first_group_[linear + 1] = first_group_[linear] + (by_row ? shape.Rows(linear) : 1);
  }
  const int64_t rows = first_row_[kLinears];
  const int64_t groups = first_group_[kLinears];

  const at::TensorOptions host = at::TensorOptions().dtype(at::kDouble).device(at::kCPU);
  at::Tensor cols = at::empty({rows}, host);
  at::Tensor group_of_row = at::empty({rows}, host.dtype(at::kLong));
  at::Tensor weight_of_group = at::empty({groups}, host);
  const double all_weights = static_cast<double>(shape.TotalWeights());
  for (Linear linear : kAllLinears) {
    const int64_t first = first_group_[linear];
    const int64_t count = first_group_[linear + 1] - first;
    RowsOf(linear, cols).fill_(shape.Cols(linear));
    RowsOf(linear, group_of_row).copy_(by_row ? at::arange(first, first + count) : at::full({1}, first));
    const double weights = static_cast<double>(shape.Rows(linear) * shape.Cols(linear));
    GroupsOf(linear, weight_of_group).fill_(weights / static_cast<double>(count) / all_weights);
  }
  const at::Tensor candidates = at::arange(kCandidates - 1, -1, -1, host).div_(kCandidates - 1);

  beta_ = at::zeros({groups, kCandidates}, host.device(device));
  candidates_ = candidates.to(device);
  if (options.prior_sigma > 0.0) {
    prior_ = candidates.sub(options.sparsity).div_(options.prior_sigma).square_().mul_(-0.5).to(device);
  }
  tail_ = at::tril(at::ones({kCandidates, kCandidates}, beta_.options()));
  cols_of_row_ = cols.to(device);
  group_of_row_ = group_of_row.to(device);
  weight_of_group_ = weight_of_group.to(device);
}

at::Tensor Allocation::Distribution() const {
  return at::softmax(prior_.defined() ? beta_.add(prior_) : at::sigmoid(beta_), -1);
}

Allocation::Rates Allocation::Forward() const {
  Rates rates;
  rates.distribution = Distribution();
  rates.rate = at::mv(rates.distribution, candidates_);
  rates.pruned =
      rates.rate.index_select(0, group_of_row_).mul_(cols_of_row_).add_(kRoundingSlack).floor_().to(at::kInt);
  rates.sparsity = at::dot(rates.rate, weight_of_group_);
  return rates;
}

at::Tensor Allocation::Backward(const Rates& rates, const at::Tensor& histogram) const {
  at::Tensor by_group = histogram.to(at::kDouble);
  if (options_.granularity == Granularity::kLayer) {
    at::Tensor layers = at::empty_like(beta_);
    for (Linear linear : kAllLinears) {
      GroupsOf(linear, layers).copy_(RowsOf(linear, by_group).sum(0, /*keepdim=*/true));
    }
    by_group = layers;
  }
  // dL/ds_i = -sum_{d >= i} h_d, then the penalty: d/dalpha of lambda * ((s_block - S) / S)^2, times p.
  const double target = options_.sparsity;
  const at::Tensor penalty_by_rate =
      rates.sparsity.sub(target).mul(2.0 * options_.penalty / (target * target)).mul(weight_of_group_);
  at::Tensor gradient = at::mm(by_group, tail_).neg_().addr_(penalty_by_rate, candidates_);
  // Through the softmax, and in the paper's parametrisation through the sigmoid.
  const at::Tensor mean = gradient.mul(rates.distribution).sum(-1, /*keepdim=*/true);
  gradient.sub_(mean).mul_(rates.distribution);
  if (!prior_.defined()) {
    const at::Tensor sigmoid = at::sigmoid(beta_);
    gradient.mul_(sigmoid).mul_(sigmoid.neg().add_(1.0));
  }
  return gradient;
}

at::Tensor Allocation::RowsOf(Linear linear, const at::Tensor& per_row) const {
  return per_row.narrow(0, first_row_[linear], first_row_[linear + 1] - first_row_[linear]);
}

at::Tensor Allocation::GroupsOf(Linear linear, const at::Tensor& per_group) const {
  return per_group.narrow(0, first_group_[linear], first_group_[linear + 1] - first_group_[linear]);
}

std::vector<double> Allocation::FinalRates() const {
  const at::Tensor rate = at::mv(Distribution(), candidates_);
  const at::Tensor by_row = rate.index_select(0, group_of_row_).cpu();
  return {by_row.data_ptr<double>(), by_row.data_ptr<double>() + by_row.numel()};
}

}  // namespace besa::pruner
