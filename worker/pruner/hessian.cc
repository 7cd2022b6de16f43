#include "worker/pruner/hessian.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "worker/pruner/errors.h"

namespace besa::pruner {
namespace {

constexpr int kAttempts = 5;
constexpr double kMoreDamping = 10.0;

// sums += x^T x. Products of bfloat16 values are exact in float32: on a GPU only the sum over one batch is rounded
// there.
void AddOuterProducts(const at::Tensor& x, const at::Tensor& sums) {
  if (x.is_cuda() && x.scalar_type() == at::kBFloat16) {
    sums.add_(at::mm(x.t(), x, at::kFloat));
  } else {
    const at::Tensor wide = x.to(at::kDouble);
    sums.addmm_(wide.t(), wide);
  }
}

}  // namespace

InputHessians::InputHessians(const BlockShape& shape, const at::TensorOptions& options) {
  for (int group = 0; group < kGroups; ++group) {
    const int64_t cols = shape.GroupCols(Group(group));
    sums_[group] = at::zeros({cols, cols}, options.dtype(at::kDouble));
  }
}

void InputHessians::Add(const BlockState& state) {
  for (int group = 0; group < kGroups; ++group) AddOuterProducts(state.inputs[group], sums_[group]);
}

void InputHessians::AddUp(RankGroup& ranks) {
  for (const at::Tensor& sums : sums_) ranks.AllReduceSum(sums);
}

absl::Status InputHessians::CheckFinite(int64_t block_index) const {
  for (int group = 0; group < kGroups; ++group) {
    // The diagonal tells: no sum of products is larger than both sums of squares.
    if (!sums_[group].diagonal().isfinite().all().item().toBool()) {
      return BadNumbers(block_index, GroupName(Group(group)), "the products of its inputs add up to infinity");
    }
  }
  return absl::OkStatus();
}

at::Tensor InputHessians::Take(Group group) { return std::exchange(sums_[group], {}); }

absl::StatusOr<InverseFactor> FactorInverse(at::Tensor hessian, double damping) {
  const int64_t cols = hessian.size(0);
  // With rows and columns in reverse, H = L L^T gives H^-1 = (L^-1)^T L^-1, whose factors reversed again are U^T and U:
  // one factorisation, where inverting first would take two and lose digits.
  at::Tensor reversed = hessian.flip({0, 1});
  hessian.reset();
  const double mean = reversed.diagonal().mean().item().toDouble();
  double added = 0.0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    reversed.diagonal().add_((damping - added) * mean);
    added = damping;
    auto [lower, info] = at::linalg_cholesky_ex(reversed, /*upper=*/false, /*check_errors=*/false);
    if (info.item().toInt() != 0) {
      damping *= kMoreDamping;
      continue;
    }
    reversed.reset();
    at::Tensor inverse =
        at::linalg_solve_triangular(lower, at::eye(cols, lower.options()), /*upper=*/false, /*left=*/true);
    lower.reset();
    return InverseFactor{.factor = inverse.flip({0, 1}), .damping = added};
  }
  return absl::FailedPreconditionError(absl::StrCat("not positive definite even with damping ", added));
}

}  // namespace besa::pruner
