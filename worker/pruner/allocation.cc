#include "worker/pruner/allocation.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "worker/kernels/kernels.h"
#include "worker/pruner/tensor_view.h"

namespace besa::pruner {

using kernels::kCandidates;

Allocation::Allocation(const BlockShape& shape, const AllocationOptions& options, at::Device device)
    : options_(options) {
  const bool by_row = options.granularity == Granularity::kRow;
  const double all_weights = static_cast<double>(shape.TotalWeights());
  std::vector<int32_t> cols;
  std::vector<double> share;
  for (Linear linear : kAllLinears) {
    const int64_t rows = shape.Rows(linear);
    const int64_t groups = by_row ? rows : 1;
    for (int64_t group = 0; group < groups; ++group) {
      first_row_of_group_.push_back(static_cast<int32_t>(first_row_[linear] + group * (rows / groups)));
      share.push_back(static_cast<double>(rows / groups * shape.Cols(linear)) / all_weights);
    }
    cols.insert(cols.end(), static_cast<size_t>(rows), static_cast<int32_t>(shape.Cols(linear)));
    first_row_[linear + 1] = first_row_[linear] + rows;
    first_group_[linear + 1] = first_group_[linear] + groups;
  }
  const int64_t rows = first_row_[kLinears];
  const int64_t groups = first_group_[kLinears];
  first_row_of_group_.push_back(static_cast<int32_t>(rows));

  const at::TensorOptions real = at::TensorOptions().dtype(at::kDouble).device(device);
  group_begin_ = at::tensor(first_row_of_group_, at::kInt).to(device);
  cols_of_row_ = at::tensor(cols, at::kInt).to(device);
  share_of_group_ = at::tensor(share, at::kDouble).to(device);
  if (options.prior_sigma > 0.0) {
    const at::Tensor candidates = at::arange(kCandidates - 1, -1, -1, real.device(at::kCPU)).div_(kCandidates - 1);
    prior_ = candidates.sub_(options.sparsity).div_(options.prior_sigma).square_().mul_(-0.5).to(device);
  }
  beta_ = at::zeros({groups, kCandidates}, real);
  rates_ = {.rate = at::empty({groups}, real),
            .pruned = at::empty({rows}, real.dtype(at::kInt)),
            .sparsity = at::empty({}, real)};
  gradient_ = at::empty({groups, kCandidates}, real);
  finite_ = {.linears = at::empty({kLinears}, real.dtype(at::kBool)), .all = at::empty({}, real.dtype(at::kBool))};
  scratch_ = at::empty({kernels::AllocationScratchBytes(Problem())}, real.dtype(at::kByte));
}

kernels::AllocationProblem Allocation::Problem() const {
  return {.rows = first_row_[kLinears],
          .groups = first_group_[kLinears],
          .first_row = group_begin_.data_ptr<int32_t>(),
          .cols = cols_of_row_.data_ptr<int32_t>(),
          .share = share_of_group_.data_ptr<double>(),
          .prior = prior_.defined() ? prior_.data_ptr<double>() : nullptr,
          .sparsity = options_.sparsity,
          .penalty = options_.penalty};
}

Allocation::Rates Allocation::Forward() const {
  Check(kernels::AllocationForward(DeviceOf(beta_), Problem(), beta_.data_ptr<double>(), rates_.rate.data_ptr<double>(),
                                   rates_.pruned.data_ptr<int32_t>(), rates_.sparsity.data_ptr<double>(),
                                   scratch_.data_ptr()));
  return rates_;
}

at::Tensor Allocation::Backward(const Rates& rates, const at::Tensor& histogram) const {
  Check(kernels::AllocationBackward(DeviceOf(beta_), Problem(), beta_.data_ptr<double>(), rates.rate.data_ptr<double>(),
                                    rates.sparsity.data_ptr<double>(), MatrixOf(histogram),
                                    gradient_.data_ptr<double>(), scratch_.data_ptr()));
  return gradient_;
}

Allocation::Finite Allocation::CheckFinite(const at::Tensor& gradient) const {
  std::array<int64_t, kLinears + 1> begin{};
  for (size_t i = 0; i < begin.size(); ++i) begin[i] = first_group_[i] * kCandidates;
  Check(kernels::AllFinite(DeviceOf(gradient), kernels::ElementType::kFloat64, gradient.data_ptr<double>(),
                           begin.data(), kLinears, finite_.linears.data_ptr<bool>(), finite_.all.data_ptr<bool>()));
  return finite_;
}

at::Tensor Allocation::RowsOf(Linear linear, const at::Tensor& per_row) const {
  return per_row.narrow(0, first_row_[linear], first_row_[linear + 1] - first_row_[linear]);
}

at::Tensor Allocation::GroupsOf(Linear linear, const at::Tensor& per_group) const {
  return per_group.narrow(0, first_group_[linear], first_group_[linear + 1] - first_group_[linear]);
}

std::vector<double> Allocation::FinalRates() const {
  const at::Tensor rate = Forward().rate.cpu();
  std::vector<double> by_row;
  for (size_t group = 0; group + 1 < first_row_of_group_.size(); ++group) {
    by_row.insert(by_row.end(), static_cast<size_t>(first_row_of_group_[group + 1] - first_row_of_group_[group]),
                  rate.data_ptr<double>()[group]);
  }
  return by_row;
}

}  // namespace besa::pruner
