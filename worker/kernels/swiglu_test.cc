#include <cmath>
#include <limits>

#include "gtest/gtest.h"
#include "worker/kernels/block_kernels.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

double Silu(double x) { return x / (1.0 + std::exp(-x)); }

class SwiGluOfType : public testing::TestWithParam<ElementType> {};

TEST_P(SwiGluOfType, GatesWhatGoesUp) {
  for (const int64_t width : {1, 31, 192, 1408}) {
    constexpr int64_t kTokens = 5;
    const auto gate_up = TestMatrix::Random(GetParam(), kTokens, 2 * width, 1);
    TestMatrix activation(GetParam(), kTokens, width);
    ASSERT_TRUE(SwiGlu(ThreadedCpu(3), gate_up.View(), activation.View()).ok());
    for (int64_t t = 0; t < kTokens; ++t) {
      for (int64_t i = 0; i < width; ++i) {
        const double expected = Silu(gate_up.At(t, i)) * gate_up.At(t, width + i);
        ASSERT_NEAR(activation.At(t, i), expected, EpsilonOf(GetParam()) * std::abs(expected)) << gate_up.At(t, i);
      }
    }
  }
}

TEST_P(SwiGluOfType, BackwardIsTheDerivative) {
  constexpr int64_t kTokens = 3;
  constexpr int64_t kWidth = 77;
  const auto gate_up = TestMatrix::Random(GetParam(), kTokens, 2 * kWidth, 1);
  const auto gradient_activation = TestMatrix::Random(GetParam(), kTokens, kWidth, 2);
  TestMatrix gradient(GetParam(), kTokens, 2 * kWidth);
  ASSERT_TRUE(SwiGluBackward(ThreadedCpu(3), gradient_activation.View(), gate_up.View(), gradient.View()).ok());
  const double tolerance = GetParam() == ElementType::kFloat64 ? 1e-8 : EpsilonOf(GetParam());
  for (int64_t t = 0; t < kTokens; ++t) {
    for (int64_t i = 0; i < kWidth; ++i) {
      constexpr double kStep = 1e-5;
      const double a = gradient_activation.At(t, i);
      const double g = gate_up.At(t, i);
      const double u = gate_up.At(t, kWidth + i);
      const double by_gate = a * u * (Silu(g + kStep) - Silu(g - kStep)) / (2 * kStep);
      ASSERT_NEAR(gradient.At(t, i), by_gate, tolerance * (1 + std::abs(by_gate)));
      ASSERT_NEAR(gradient.At(t, kWidth + i), a * Silu(g), tolerance * (1 + std::abs(a * Silu(g))));
    }
  }

  TestMatrix in_place = gate_up;
  ASSERT_TRUE(SwiGluBackward(Device::Cpu(), gradient_activation.View(), in_place.View(), in_place.View()).ok());
  EXPECT_EQ(in_place.bytes(), gradient.bytes());
}

TEST_P(SwiGluOfType, LargeGatesAreOpenOrShut) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto gate_up = TestMatrix::Of(GetParam(), 1, 8, {1e6, -1e6, infinity, nan, 2, 2, 2, 2});
  TestMatrix activation(GetParam(), 1, 4);
  ASSERT_TRUE(SwiGlu(Device::Cpu(), gate_up.View(), activation.View()).ok());
  EXPECT_EQ(activation.At(0), 2 * gate_up.At(0));
  EXPECT_EQ(activation.At(1), 0.0);
  EXPECT_EQ(activation.At(2), infinity);
  EXPECT_TRUE(std::isnan(activation.At(3)));

  const auto ones = TestMatrix::Of(GetParam(), 1, 4, {1, 1, 1, 1});
  TestMatrix gradient(GetParam(), 1, 8);
  ASSERT_TRUE(SwiGluBackward(Device::Cpu(), ones.View(), gate_up.View(), gradient.View()).ok());
  EXPECT_EQ(gradient.At(0), 2.0);
  EXPECT_EQ(gradient.At(1), 0.0);
  EXPECT_EQ(gradient.At(4), gate_up.At(0));
  EXPECT_EQ(gradient.At(5), 0.0);
  EXPECT_TRUE(std::isnan(gradient.At(3)));
  EXPECT_TRUE(std::isnan(gradient.At(7)));
}

INSTANTIATE_TEST_SUITE_P(Types, SwiGluOfType, testing::ValuesIn(kAllTypes),
                         [](const auto& test) { return NameOf(test.param); });

}  // namespace
}  // namespace besa::kernels
