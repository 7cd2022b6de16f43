#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "worker/kernels/block_kernels.h"
#include "worker/kernels/kernels.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

// The loss as it is defined.
double Loss(const TestMatrix& y, const TestMatrix& reference) {
  double sum = 0;
  int64_t features = 0;
  for (int64_t f = 0; f < y.cols(); ++f) {
    double error = 0;
    double energy = 0;
    for (int64_t t = 0; t < y.rows(); ++t) {
      error += std::pow(y.At(t, f) - reference.At(t, f), 2);
      energy += std::pow(reference.At(t, f), 2);
    }
    if (energy == 0) continue;
    sum += error / energy;
    ++features;
  }
  return sum / static_cast<double>(features);
}

struct Result {
  double loss;
  TestMatrix gradient;
};

Result RunLoss(const Device& device, const TestMatrix& y, const TestMatrix& reference) {
  Result result = {.loss = 0, .gradient = TestMatrix(y.type(), y.rows(), y.cols())};
  const ElementType real = AccumulatorType(y.type());
  TestMatrix scratch(real, 3, y.cols());
  TestMatrix loss(real, 1, 1);
  scratch.Poison();
  EXPECT_TRUE(
      ReconstructionLoss(device, y.View(), reference.View(), scratch.data(), loss.data(), result.gradient.View()).ok());
  result.loss = loss.At(0);
  return result;
}

class ReconstructionLossOfType : public testing::TestWithParam<ElementType> {};

TEST_P(ReconstructionLossOfType, IsTheMeanOfRelativeErrorsWithItsDerivative) {
  for (const int64_t features : {1, 63, 130}) {
    constexpr int64_t kTokens = 9;
    const auto y = TestMatrix::Random(GetParam(), kTokens, features, 1);
    auto reference = TestMatrix::Random(GetParam(), kTokens, features, 2);
    // A feature without any reference does not count.
    if (features > 1) {
      for (int64_t t = 0; t < kTokens; ++t) reference.Set(t * features + 1, 0.0);
    }
    const Result result = RunLoss(ThreadedCpu(2), y, reference);
    const double expected = Loss(y, reference);
    EXPECT_NEAR(result.loss, expected, (GetParam() == ElementType::kFloat64 ? 1e-13 : 1e-6) * expected);

    TestMatrix moved(ElementType::kFloat64, kTokens, features);
    for (int64_t i = 0; i < kTokens * features; ++i) moved.Set(i, y.At(i));
    for (int64_t i = 0; i < kTokens * features; ++i) {
      constexpr double kStep = 1e-4;
      moved.Set(i, y.At(i) + kStep);
      double derivative = Loss(moved, reference);
      moved.Set(i, y.At(i) - kStep);
      derivative = (derivative - Loss(moved, reference)) / (2 * kStep);
      moved.Set(i, y.At(i));
      const double tolerance = GetParam() == ElementType::kBFloat16 ? 5e-3 : 2e-6;
      ASSERT_NEAR(result.gradient.At(i), derivative, tolerance * std::abs(derivative) + 1e-10) << i;
    }
  }
}

TEST_P(ReconstructionLossOfType, GradientMayOverwriteTheOutput) {
  TestMatrix y = TestMatrix::Random(GetParam(), 20, 100, 1);
  const auto reference = TestMatrix::Random(GetParam(), 20, 100, 2);
  const Result apart = RunLoss(Device::Cpu(), y, reference);
  TestMatrix scratch(AccumulatorType(GetParam()), 3, 100);
  TestMatrix loss(AccumulatorType(GetParam()), 1, 1);
  ASSERT_TRUE(
      ReconstructionLoss(Device::Cpu(), y.View(), reference.View(), scratch.data(), loss.data(), y.View()).ok());
  EXPECT_EQ(loss.At(0), apart.loss);
  EXPECT_EQ(y.bytes(), apart.gradient.bytes());
}

TEST_P(ReconstructionLossOfType, ThreadsChangeNothing) {
  const auto y = TestMatrix::Random(GetParam(), 600, 192, 1);
  const auto reference = TestMatrix::Random(GetParam(), 600, 192, 2);
  const Result one = RunLoss(Device::Cpu(), y, reference);
  const Result many = RunLoss(ThreadedCpu(5), y, reference);
  EXPECT_EQ(one.loss, many.loss);
  EXPECT_EQ(one.gradient.bytes(), many.gradient.bytes());
}

TEST_P(ReconstructionLossOfType, WhatIsNotFiniteShows) {
  TestMatrix y = TestMatrix::Random(GetParam(), 4, 3, 1);
  const auto reference = TestMatrix::Of(GetParam(), 4, 3, {1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1});
  y.Set(3, std::numeric_limits<double>::quiet_NaN());
  EXPECT_TRUE(std::isnan(RunLoss(Device::Cpu(), y, reference).loss));
  y.Set(3, 1.0);
  y.Set(4, std::numeric_limits<double>::infinity());  // where nothing counts
  EXPECT_TRUE(std::isnan(RunLoss(Device::Cpu(), y, reference).loss));
}

INSTANTIATE_TEST_SUITE_P(Types, ReconstructionLossOfType, testing::ValuesIn(kAllTypes),
                         [](const auto& test) { return NameOf(test.param); });

}  // namespace
}  // namespace besa::kernels
