#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "worker/kernels/kernels.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

TEST(CandidateCount, RunsFromTheWholeRowToNothing) {
  for (const int64_t cols : {1, 7, 100, 192, 28672}) {
    EXPECT_EQ(CandidateCount(cols, 0), cols);
    EXPECT_EQ(CandidateCount(cols, 50), cols / 2);
    EXPECT_EQ(CandidateCount(cols, 100), 0);
  }
}

TEST(BucketHistogram, ARowOfAHundredHasOneWeightInEachBucket) {
  TestMatrix weight(ElementType::kFloat32, 1, 100);
  TestMatrix gradient(ElementType::kFloat32, 1, 100);
  std::vector<uint16_t> order(100);
  for (int c = 0; c < 100; ++c) {
    weight.Set(c, c);
    gradient.Set(c, 2);
    order[c] = static_cast<uint16_t>(c);
  }
  std::vector<float> h(kCandidates, -1.0f);
  ASSERT_TRUE(BucketHistogram(Device::Cpu(), weight.View(), gradient.View(), order.data(), h.data()).ok());
  // Rank j is removed by the candidates that remove more than j: bucket 99 is rank 0.
  for (int d = 0; d < 100; ++d) EXPECT_EQ(h[d], 2.0f * (99 - d));
  EXPECT_EQ(h[100], 0.0f);
}

class BucketHistogramOfType : public testing::TestWithParam<ElementType> {};

// The derivative of sum_c g_c W_c P(rank_c) by s_i, written down as it is defined.
TEST_P(BucketHistogramOfType, GivesTheGradientOfTheAllocation) {
  std::mt19937 generator(5);
  for (const int64_t cols : {1, 2, 7, 99, 100, 101, 192, 512, 1999}) {
    constexpr int64_t kRows = 3;
    const auto weight = TestMatrix::Random(GetParam(), kRows, cols, 1);
    const auto gradient = TestMatrix::Random(GetParam(), kRows, cols, 2);
    std::vector<uint16_t> order(kRows * cols);
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t c = 0; c < cols; ++c) order[r * cols + c] = static_cast<uint16_t>(c);
      std::shuffle(order.begin() + r * cols, order.begin() + (r + 1) * cols, generator);
    }
    TestMatrix h(AccumulatorType(GetParam()), kRows, kCandidates);
    h.Poison();
    ASSERT_TRUE(BucketHistogram(ThreadedCpu(2), weight.View(), gradient.View(), order.data(), h.data()).ok());
    for (int64_t r = 0; r < kRows; ++r) {
      double suffix = 0;
      for (int i = kCandidates - 1; i >= 0; --i) {
        suffix += h.At(r, i);
        double expected = 0;
        double magnitude = 0;
        for (int64_t rank = 0; rank < cols; ++rank) {
          const int64_t c = order[r * cols + rank];
          const double derivative_of_keep = rank < CandidateCount(cols, i) ? -1.0 : 0.0;
          expected += derivative_of_keep * gradient.At(r, c) * weight.At(r, c);
          magnitude += std::abs(gradient.At(r, c) * weight.At(r, c));
        }
        const double epsilon = GetParam() == ElementType::kFloat64 ? 1e-14 : 1e-7;
        ASSERT_NEAR(-suffix, expected, epsilon * magnitude) << "columns " << cols << " candidate " << i;
      }
      EXPECT_EQ(h.At(r, kCandidates - 1), 0.0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, BucketHistogramOfType,
                         testing::Values(ElementType::kFloat32, ElementType::kBFloat16, ElementType::kFloat64),
                         [](const auto& test) { return NameOf(test.param); });

}  // namespace
}  // namespace besa::kernels
