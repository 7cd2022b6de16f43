#include "worker/kernels/cpu_vector.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace besa::kernels::cpu {
namespace {

TEST(Exp, IsAsExactAsItSays) {
  double worst = 0.0;
  for (double x = -87.3; x < 88.3; x += 0.000731) {
    const auto argument = static_cast<float>(x);
    const double expected = std::exp(static_cast<double>(argument));
    worst = std::max(worst, std::abs(Exp(argument) - expected) / expected);
  }
  EXPECT_LT(worst, 1.2e-7);

  worst = 0.0;
  for (long double x = -707.9L; x < 708.9L; x += 0.00731L) {
    const auto argument = static_cast<double>(x);
    const long double expected = std::exp(static_cast<long double>(argument));
    worst = std::max(worst, static_cast<double>(std::abs((Exp(argument) - expected) / expected)));
  }
  EXPECT_LT(worst, 2.3e-16);
}

template <typename Real>
void ExpectExpAtTheEnds() {
  constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
  EXPECT_EQ(Exp(Real{0}), Real{1});
  EXPECT_EQ(Exp(-Real{0}), Real{1});
  EXPECT_EQ(Exp(Real{800}), kInfinity);
  EXPECT_EQ(Exp(kInfinity), kInfinity);
  EXPECT_EQ(Exp(Real{-800}), Real{0});
  EXPECT_EQ(Exp(-kInfinity), Real{0});
  EXPECT_TRUE(std::isnan(Exp(std::numeric_limits<Real>::quiet_NaN())));
}

TEST(Exp, EndsInInfinityAndZero) {
  ExpectExpAtTheEnds<float>();
  ExpectExpAtTheEnds<double>();
}

TEST(SumInLanes, AddsEveryTermOnce) {
  for (const int64_t count : {0, 1, 31, 32, 33, 100, 1000}) {
    EXPECT_EQ(SumInLanes<double>(count, [](int64_t i) { return static_cast<double>(i + 1); }),
              static_cast<double>(count * (count + 1) / 2));
  }
}

}  // namespace
}  // namespace besa::kernels::cpu
