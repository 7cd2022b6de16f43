#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "worker/kernels/block_kernels.h"
#include "worker/kernels/kernels.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

constexpr double kEps = 1e-3;

// The norm as it is defined: 1 / sqrt(mean(x^2) + eps) of head h of token t.
double InverseRms(const TestMatrix& x, int64_t t, int64_t h, int64_t features) {
  double sum = 0;
  for (int64_t i = h * features; i < (h + 1) * features; ++i) sum += x.At(t, i) * x.At(t, i);
  return 1.0 / std::sqrt(sum / static_cast<double>(features) + kEps);
}

class RmsNormOfType : public testing::TestWithParam<ElementType> {};

TEST_P(RmsNormOfType, DividesEachHeadByItsRootMeanSquare) {
  struct Shape {
    int64_t heads, features, behind;
  };
  for (const auto& [heads, features, behind] : {Shape{1, 1, 0}, {1, 67, 0}, {1, 512, 0}, {3, 40, 0}, {5, 64, 128}}) {
    constexpr int64_t kTokens = 7;
    const auto x = TestMatrix::Random(GetParam(), kTokens, heads * features + behind, 1);
    const auto weight = TestMatrix::Random(GetParam(), heads, features, 2);
    TestMatrix y(GetParam(), kTokens, heads * features);
    TestMatrix inverse_rms(AccumulatorType(GetParam()), kTokens, heads);
    ASSERT_TRUE(RmsNorm(ThreadedCpu(2), x.View(), weight.View(), kEps, y.View(), inverse_rms.data()).ok());
    for (int64_t t = 0; t < kTokens; ++t) {
      for (int64_t h = 0; h < heads; ++h) {
        const double r = InverseRms(x, t, h, features);
        ASSERT_NEAR(inverse_rms.At(t, h), r, (GetParam() == ElementType::kFloat64 ? 1e-14 : 1e-6) * r);
        for (int64_t i = h * features; i < (h + 1) * features; ++i) {
          const double expected = x.At(t, i) * r * weight.At(i);
          ASSERT_NEAR(y.At(t, i), expected, EpsilonOf(GetParam()) * std::abs(expected)) << "head " << h;
        }
      }
    }
  }
}

TEST_P(RmsNormOfType, StatisticsAreOptional) {
  const auto x = TestMatrix::Random(GetParam(), 3, 5, 1);
  const auto weight = TestMatrix::Random(GetParam(), 1, 5, 2);
  TestMatrix y(GetParam(), 3, 5);
  TestMatrix again(GetParam(), 3, 5);
  TestMatrix inverse_rms(AccumulatorType(GetParam()), 3, 1);
  ASSERT_TRUE(RmsNorm(Device::Cpu(), x.View(), weight.View(), kEps, y.View(), inverse_rms.data()).ok());
  ASSERT_TRUE(RmsNorm(Device::Cpu(), x.View(), weight.View(), kEps, again.View(), nullptr).ok());
  EXPECT_EQ(y.bytes(), again.bytes());
}

// The gradient by differences of the definition, without the formula.
TEST_P(RmsNormOfType, BackwardIsTheDerivative) {
  constexpr int64_t kTokens = 4;
  constexpr int64_t kHeads = 2;
  constexpr int64_t kFeatures = 37;
  constexpr int64_t kCols = kHeads * kFeatures + 3;
  auto x = TestMatrix::Random(GetParam(), kTokens, kCols, 1);
  const auto weight = TestMatrix::Random(GetParam(), kHeads, kFeatures, 2);
  const auto gradient_y = TestMatrix::Random(GetParam(), kTokens, kCols, 3);
  const auto before = TestMatrix::Random(GetParam(), kTokens, kCols, 4);
  TestMatrix y(GetParam(), kTokens, kHeads * kFeatures);
  TestMatrix inverse_rms(AccumulatorType(GetParam()), kTokens, kHeads);
  ASSERT_TRUE(RmsNorm(Device::Cpu(), x.View(), weight.View(), kEps, y.View(), inverse_rms.data()).ok());

  TestMatrix added = before;
  TestMatrix replaced = gradient_y;  // in place
  ASSERT_TRUE(RmsNormBackward(ThreadedCpu(3), gradient_y.View(), x.View(), weight.View(), inverse_rms.data(),
                              added.View(), Store::kAdd)
                  .ok());
  ASSERT_TRUE(RmsNormBackward(ThreadedCpu(3), replaced.View(), x.View(), weight.View(), inverse_rms.data(),
                              replaced.View(), Store::kReplace)
                  .ok());

  // In float64 whatever the type, as differences need it.
  TestMatrix exact(ElementType::kFloat64, kTokens, kCols);
  for (int64_t i = 0; i < kTokens * kCols; ++i) exact.Set(i, x.At(i));
  const auto loss = [&](int64_t t, int64_t h) {
    double sum = 0;
    const double r = InverseRms(exact, t, h, kFeatures);
    for (int64_t i = h * kFeatures; i < (h + 1) * kFeatures; ++i) {
      sum += gradient_y.At(t, i) * exact.At(t, i) * r * weight.At(i);
    }
    return sum;
  };
  const double tolerance = GetParam() == ElementType::kBFloat16 ? 4e-2 : 1e-5;
  for (int64_t t = 0; t < kTokens; ++t) {
    for (int64_t i = 0; i < kCols; ++i) {
      double derivative = 0.0;
      if (i < kHeads * kFeatures) {
        constexpr double kStep = 1e-5;
        const int64_t h = i / kFeatures;
        const double at = exact.At(t, i);
        exact.Set(t * kCols + i, at + kStep);
        derivative = loss(t, h);
        exact.Set(t * kCols + i, at - kStep);
        derivative = (derivative - loss(t, h)) / (2 * kStep);
        exact.Set(t * kCols + i, at);
        ASSERT_NEAR(replaced.At(t, i), derivative, tolerance);
      } else {
        ASSERT_EQ(replaced.At(t, i), gradient_y.At(t, i)) << "behind the heads";
      }
      ASSERT_NEAR(added.At(t, i), before.At(t, i) + derivative, tolerance);
    }
  }
}

TEST_P(RmsNormOfType, ThreadsChangeNothing) {
  const auto x = TestMatrix::Random(GetParam(), 300, 192, 1);
  const auto weight = TestMatrix::Random(GetParam(), 1, 192, 2);
  TestMatrix one(GetParam(), 300, 192);
  TestMatrix many(GetParam(), 300, 192);
  ASSERT_TRUE(RmsNorm(Device::Cpu(), x.View(), weight.View(), kEps, one.View(), nullptr).ok());
  ASSERT_TRUE(RmsNorm(ThreadedCpu(7), x.View(), weight.View(), kEps, many.View(), nullptr).ok());
  EXPECT_EQ(one.bytes(), many.bytes());
}

INSTANTIATE_TEST_SUITE_P(Types, RmsNormOfType, testing::ValuesIn(kAllTypes),
                         [](const auto& test) { return NameOf(test.param); });

}  // namespace
}  // namespace besa::kernels
