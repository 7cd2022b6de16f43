// What loops of the CPU twins need to be vectorised: copies of a function for wide registers, sums in lanes, and exp.
//
// Results are the same on every CPU: wider registers only do more elements at once, fused multiply-adds are off for the
// folder, and sums run in a fixed number of lanes whatever the width of a register.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

// In front of a function with internal linkage: compiled for AVX-512 and AVX2 too, the best one is chosen when the
// program starts. Sanitizers and the choice at start-up do not go together; clang is only used for checks.
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define BESA_FOR_EVERY_CPU [[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#else
#define BESA_FOR_EVERY_CPU
#endif

// In front of a loop no iteration of which reads what another one writes, although its pointers may be equal.
#if defined(__clang__)
#define BESA_INDEPENDENT
#else
#define BESA_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace besa::kernels::cpu {

// Part of a BESA_FOR_EVERY_CPU function wherever it is used in one.
#define BESA_INLINE [[gnu::always_inline]] inline

// Enough for the latency of an addition at every width.
inline constexpr int kLanes = 32;

// The sum of term(i) over 0 <= i < count: lane l takes i = l, l + kLanes, ...; lanes are added as a tree.
template <typename Real, typename Term>
BESA_INLINE Real SumInLanes(int64_t count, const Term& term) {
  Real lane[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) lane[l] += term(i + l);
  }
  for (int l = 0; i + l < count; ++l) lane[l] += term(i + l);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) lane[l] += lane[l + width];
  }
  return lane[0];
}

// e^x: x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its Taylor series, 2^n by the exponent's bits. Above the largest
// argument infinity, below the smallest 0 (results that would be subnormal are), NaN stays. Relative error below
// 1.2e-7 (float: 1 unit in the last place) and 2.3e-16 (double), in the test beside this. libm's is not vectorised, and
// libmvec's, besides asking for -ffast-math, gives different results on different CPUs.
BESA_INLINE float Exp(float x) {
  constexpr float kLargest = 88.37f;
  constexpr float kSmallest = -87.33f;
  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the lowest bits.
  constexpr float kRound = 12582912.0f;
  const float clamped = x < kSmallest ? kSmallest : x > kLargest ? kLargest : x;
  const float shifted = clamped * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (clamped - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = (p * r) * r + r + 1.0f;
  const float power =
      std::bit_cast<float>((std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound) + 127) << 23);
  const float result = p * power;
  return x < kSmallest ? 0.0f : x > kLargest ? std::numeric_limits<float>::infinity() : result;
}

BESA_INLINE double Exp(double x) {
  constexpr double kLargest = 709.0;
  constexpr double kSmallest = -708.0;
  constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52
  const double clamped = x < kSmallest ? kSmallest : x > kLargest ? kLargest : x;
  const double shifted = clamped * 1.4426950408889634 + kRound;
  const double n = shifted - kRound;
  const double r = (clamped - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = (p * r) * r + r + 1.0;
  const double power =
      std::bit_cast<double>((std::bit_cast<int64_t>(shifted) - std::bit_cast<int64_t>(kRound) + 1023) << 52);
  const double result = p * power;
  return x < kSmallest ? 0.0 : x > kLargest ? std::numeric_limits<double>::infinity() : result;
}

}  // namespace besa::kernels::cpu
