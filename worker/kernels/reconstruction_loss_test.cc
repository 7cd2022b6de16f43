#include <cmath>
#include <limits>
#include <utility>
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

// Both halves. `gradient` may be `y`. Returns the loss.
double RunLoss(const Device& device, const TestMatrix& y, const TestMatrix& reference, TestMatrix& gradient) {
  const ElementType real = AccumulatorType(y.type());
  TestMatrix sums(real, 2, y.cols());
  TestMatrix weight(real, 1, y.cols());
  TestMatrix loss(real, 1, 1);
  sums.Poison();
  weight.Poison();
  EXPECT_TRUE(ReconstructionSums(device, y.View(), reference.View(), sums.data()).ok());
  EXPECT_TRUE(ReconstructionGradient(device, y.View(), reference.View(), sums.data(), weight.data(), loss.data(),
                                     gradient.View())
                  .ok());
  return loss.At(0);
}

Result RunLoss(const Device& device, const TestMatrix& y, const TestMatrix& reference) {
  Result result = {.loss = 0, .gradient = TestMatrix(y.type(), y.rows(), y.cols())};
  result.loss = RunLoss(device, y, reference, result.gradient);
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
  EXPECT_EQ(RunLoss(Device::Cpu(), y, reference, y), apart.loss);
  EXPECT_EQ(y.bytes(), apart.gradient.bytes());
}

// A batch in three shares, one of them empty, whose sums are added up in between.
TEST_P(ReconstructionLossOfType, SharesMakeUpTheBatch) {
  constexpr int64_t kTokens = 12;
  constexpr int64_t kFeatures = 70;
  const auto y = TestMatrix::Random(GetParam(), kTokens, kFeatures, 1);
  const auto reference = TestMatrix::Random(GetParam(), kTokens, kFeatures, 2);
  const Result whole = RunLoss(Device::Cpu(), y, reference);

  const ElementType real = AccumulatorType(GetParam());
  struct Share {
    TestMatrix y, reference;
    int64_t first;
  };
  std::vector<Share> shares;
  TestMatrix sums(real, 2, kFeatures);
  for (const auto& [first, tokens] : {std::pair{0, 5}, std::pair{5, 0}, std::pair{5, 7}}) {
    Share share = {TestMatrix(GetParam(), tokens, kFeatures), TestMatrix(GetParam(), tokens, kFeatures), first};
    for (int64_t i = 0; i < tokens * kFeatures; ++i) {
      share.y.Set(i, y.At(first * kFeatures + i));
      share.reference.Set(i, reference.At(first * kFeatures + i));
    }
    TestMatrix own(real, 2, kFeatures);
    own.Poison();
    ASSERT_TRUE(ReconstructionSums(Device::Cpu(), share.y.View(), share.reference.View(), own.data()).ok());
    for (int64_t i = 0; i < 2 * kFeatures; ++i) sums.Set(i, sums.At(i) + own.At(i));
    shares.push_back(std::move(share));
  }
  for (Share& share : shares) {
    TestMatrix weight(real, 1, kFeatures);
    TestMatrix loss(real, 1, 1);
    ASSERT_TRUE(ReconstructionGradient(Device::Cpu(), share.y.View(), share.reference.View(), sums.data(),
                                       weight.data(), loss.data(), share.y.View())
                    .ok());
    EXPECT_NEAR(loss.At(0), whole.loss, 1e-6 * whole.loss);
    for (int64_t i = 0; i < share.y.rows() * kFeatures; ++i) {
      const double expected = whole.gradient.At(share.first * kFeatures + i);
      const double tolerance = GetParam() == ElementType::kBFloat16 ? 8e-3 : 1e-6;
      EXPECT_NEAR(share.y.At(i), expected, tolerance * std::abs(expected)) << i;
    }
  }
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
