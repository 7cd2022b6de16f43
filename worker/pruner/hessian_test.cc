// The factor of the inverse, and what becomes of a Hessian that is not positive definite.
#include "worker/pruner/hessian.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "worker/pruner/golden.h"

namespace besa::pruner {
namespace {

at::Tensor Matrix(std::initializer_list<double> values, int64_t cols) {
  return at::tensor(std::vector<double>(values)).view({-1, cols});
}

TEST(FactorInverse, GivesTheUpperFactorOfTheDampedInverse) {
  const at::Tensor x = Matrix({1, 2, 3, -1, 0, 2, 4, 1, 1, 0, 1, -2, 2, 2, 2}, 3);
  const at::Tensor hessian = x.t().mm(x);
  const InverseFactor inverse = FactorInverse(hessian.clone(), 0.01).value();
  EXPECT_EQ(inverse.damping, 0.01);
  EXPECT_EQ(MaxDifference(inverse.factor.triu(), inverse.factor), 0.0) << "upper triangular";

  const at::Tensor damped = hessian + at::eye(3, hessian.options()) * (hessian.diagonal().mean() * 0.01);
  EXPECT_LT(MaxDifference(inverse.factor.t().mm(inverse.factor).mm(damped), at::eye(3)), 1e-12);
}

void ExpectDampedTenfold(at::Device device) {
  // Eigenvalues 3.5 and -1.5: 0.01, 0.1 and 1 times the mean diagonal do not make up for that.
  const InverseFactor inverse = FactorInverse(Matrix({1, 2.5, 2.5, 1}, 2).to(device), 0.01).value();
  EXPECT_NEAR(inverse.damping, 10.0, 1e-12);
  const at::Tensor factor = inverse.factor.cpu();
  EXPECT_LT(MaxDifference(factor.t().mm(factor).mm(Matrix({11, 2.5, 2.5, 11}, 2)), at::eye(2)), 1e-12);
}

TEST(FactorInverse, DampsMoreUntilItIsPositiveDefinite) { ExpectDampedTenfold(at::kCPU); }
TEST(FactorInverse, DampsMoreOnCudaToo) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  ExpectDampedTenfold(at::kCUDA);
}

TEST(FactorInverse, GivesUpInTheEnd) {
  const absl::Status status = FactorInverse(Matrix({1, 1e9, 1e9, 1}, 2), 0.01).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("even with damping 100"));
}

}  // namespace
}  // namespace besa::pruner
