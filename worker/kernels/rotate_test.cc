#include <cmath>
#include <complex>
#include <vector>

#include "gtest/gtest.h"
#include "worker/kernels/block_kernels.h"
#include "worker/kernels/kernels.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

double Angle(int64_t position, int64_t pair) { return static_cast<double>(position) * std::pow(0.7, pair); }

// Tables of the accumulator type for `type`.
struct Angles {
  Angles(ElementType type, int64_t length, int64_t head_dim)
      : cos(AccumulatorType(type), length, head_dim / 2),
        sin(AccumulatorType(type), length, head_dim / 2),
        table{.cos = cos.data(), .sin = sin.data(), .length = length, .head_dim = head_dim} {
    for (int64_t i = 0; i < length * head_dim / 2; ++i) {
      cos.Set(i, std::cos(Angle(i / (head_dim / 2), i % (head_dim / 2))));
      sin.Set(i, std::sin(Angle(i / (head_dim / 2), i % (head_dim / 2))));
    }
  }
  TestMatrix cos;
  TestMatrix sin;
  RotaryTable table;
};

class RotateOfType : public testing::TestWithParam<ElementType> {};

TEST_P(RotateOfType, TurnsPairsByTheAngleOfTheirPosition) {
  constexpr int64_t kLength = 5;
  for (const int64_t head_dim : {2, 6, 64}) {
    constexpr int64_t kHeads = 3;
    constexpr int64_t kAll = 4;  // one more, which is left alone
    const Angles angles(GetParam(), kLength, head_dim);
    const auto before = TestMatrix::Random(GetParam(), 2 * kLength, kAll * head_dim, 1);
    TestMatrix x = before;
    ASSERT_TRUE(Rotate(ThreadedCpu(3), x.View(), kHeads, angles.table, Rotation::kForward).ok());
    for (int64_t t = 0; t < 2 * kLength; ++t) {
      for (int64_t h = 0; h < kHeads; ++h) {
        for (int64_t i = 0; i < head_dim / 2; ++i) {
          const int64_t first = h * head_dim + i;
          const int64_t second = first + head_dim / 2;
          const auto turned =
              std::complex<double>(before.At(t, first), before.At(t, second)) * std::polar(1.0, Angle(t % kLength, i));
          const double tolerance = EpsilonOf(GetParam()) * std::abs(turned);
          ASSERT_NEAR(x.At(t, first), turned.real(), tolerance);
          ASSERT_NEAR(x.At(t, second), turned.imag(), tolerance);
        }
      }
      for (int64_t i = kHeads * head_dim; i < kAll * head_dim; ++i) ASSERT_EQ(x.At(t, i), before.At(t, i));
    }
  }
}

TEST_P(RotateOfType, BackUndoesIt) {
  const Angles angles(GetParam(), 7, 16);
  const auto before = TestMatrix::Random(GetParam(), 7, 32, 1);
  TestMatrix x = before;
  ASSERT_TRUE(Rotate(Device::Cpu(), x.View(), 2, angles.table, Rotation::kForward).ok());
  EXPECT_NE(x.bytes(), before.bytes());
  ASSERT_TRUE(Rotate(Device::Cpu(), x.View(), 2, angles.table, Rotation::kBack).ok());
  for (int64_t i = 0; i < 7 * 32; ++i) ASSERT_NEAR(x.At(i), before.At(i), 4 * EpsilonOf(GetParam()));
}

// Heads as attention leaves them, [sequence, head, token, feature] (q and v here) or [sequence, token, head, feature]
// (k).
TEST_P(RotateOfType, GatheringGivesWhatRotateMakesOfTheHeadsSideBySide) {
  constexpr int64_t kSequences = 2;
  constexpr int64_t kLength = 5;
  constexpr int64_t kQ = 4;
  constexpr int64_t kKv = 2;
  for (const int64_t head_dim : {2, 6, 64}) {
    const Angles angles(GetParam(), kLength, head_dim);
    const auto by_head = [&](const TestMatrix& matrix, int64_t heads) {
      return HeadsView{.data = matrix.bytes().data(),
                       .heads = heads,
                       .sequence = heads * kLength * head_dim,
                       .head = kLength * head_dim,
                       .token = head_dim};
    };
    const auto q = TestMatrix::Random(GetParam(), kSequences * kQ * kLength, head_dim, 1);
    const auto k = TestMatrix::Random(GetParam(), kSequences * kLength * kKv, head_dim, 2);
    const auto v = TestMatrix::Random(GetParam(), kSequences * kKv * kLength, head_dim, 3);
    const HeadsView k_view = {.data = k.bytes().data(),
                              .heads = kKv,
                              .sequence = kLength * kKv * head_dim,
                              .head = head_dim,
                              .token = kKv * head_dim};
    constexpr int64_t kTokens = kSequences * kLength;
    TestMatrix side_by_side(GetParam(), kTokens, (kQ + 2 * kKv) * head_dim);
    int64_t at = 0;
    for (int64_t t = 0; t < kTokens; ++t) {
      const int64_t s = t / kLength;
      const int64_t p = t % kLength;
      const auto take = [&](const TestMatrix& from, int64_t row) {
        for (int64_t i = 0; i < head_dim; ++i) side_by_side.Set(at++, from.At(row, i));
      };
      for (int64_t h = 0; h < kQ; ++h) take(q, (s * kQ + h) * kLength + p);
      for (int64_t h = 0; h < kKv; ++h) take(k, (s * kLength + p) * kKv + h);
      for (int64_t h = 0; h < kKv; ++h) take(v, (s * kKv + h) * kLength + p);
    }
    for (const Rotation rotation : {Rotation::kForward, Rotation::kBack}) {
      TestMatrix expected = side_by_side;
      ASSERT_TRUE(Rotate(Device::Cpu(), expected.View(), kQ + kKv, angles.table, rotation).ok());
      TestMatrix out(GetParam(), kTokens, (kQ + 2 * kKv) * head_dim);
      out.Poison();
      ASSERT_TRUE(
          GatherHeads(ThreadedCpu(3), by_head(q, kQ), k_view, by_head(v, kKv), angles.table, rotation, out.View())
              .ok());
      EXPECT_TRUE(out.bytes() == expected.bytes()) << head_dim;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, RotateOfType, testing::ValuesIn(kAllTypes),
                         [](const auto& test) { return NameOf(test.param); });

}  // namespace
}  // namespace besa::kernels
