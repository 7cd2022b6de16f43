#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/kernels/kernels.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

using testing::ElementsAre;

struct Ranking {
  std::vector<uint16_t> order;
  std::vector<uint16_t> rank;
};

Ranking Rank(const Device& device, const TestMatrix& weight, const TestMatrix& sums, int64_t samples) {
  Ranking ranking;
  ranking.order.assign(weight.rows() * weight.cols(), 0xA5A5);
  ranking.rank.assign(weight.rows() * weight.cols(), 0xA5A5);
  const auto status =
      RankRows(device, weight.View(), sums.View().data, samples, ranking.order.data(), ranking.rank.data());
  EXPECT_TRUE(status.ok()) << status;
  return ranking;
}

// Importance as the method defines it, in the precision that the type promises.
double Importance(const TestMatrix& weight, const TestMatrix& sums, int64_t samples, int64_t r, int64_t c) {
  const double w = std::abs(weight.At(r, c));
  if (weight.type() == ElementType::kFloat64) return w * std::sqrt(sums.At(c) / static_cast<double>(samples));
  return static_cast<float>(w) * std::sqrt(static_cast<float>(sums.At(c)) / static_cast<float>(samples));
}

TestMatrix Positive(TestMatrix matrix) {
  for (int64_t i = 0; i < matrix.rows() * matrix.cols(); ++i) matrix.Set(i, std::abs(matrix.At(i)));
  return matrix;
}

TEST(RankRows, OrdersByWeightTimesNormOfItsInput) {
  const auto weight = TestMatrix::Of(ElementType::kFloat32, 2, 3, {-3, 1, 2, /**/ 0, 5, -1});
  const auto sums = TestMatrix::Of(ElementType::kFloat32, 1, 3, {4, 64, 16});  // times 1, 4, 2 over four samples
  const Ranking ranking = Rank(Device::Cpu(), weight, sums, 4);
  // Importances 3 4 4 and 0 20 2.
  EXPECT_THAT(ranking.order, ElementsAre(0, 1, 2, /**/ 0, 2, 1));
  EXPECT_THAT(ranking.rank, ElementsAre(0, 1, 2, /**/ 0, 2, 1));
}

TEST(RankRows, RankMayBeLeftOut) {
  const auto weight = TestMatrix::Of(ElementType::kFloat32, 1, 2, {2, 1});
  const auto sums = TestMatrix::Of(ElementType::kFloat32, 1, 2, {1, 1});
  std::vector<uint16_t> order(2);
  ASSERT_TRUE(RankRows(Device::Cpu(), weight.View(), sums.View().data, 1, order.data(), nullptr).ok());
  EXPECT_THAT(order, ElementsAre(1, 0));
}

TEST(RankRows, NaNRanksBehindInfinityAndZeroIgnoresItsSign) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const ElementType type : {ElementType::kFloat32, ElementType::kBFloat16, ElementType::kFloat64}) {
    const auto weight = TestMatrix::Of(type, 1, 7, {-nan, infinity, 0.0, nan, -0.0, -infinity, 1.0});
    const auto sums = TestMatrix::Of(AccumulatorType(type), 1, 7, {1, 1, 1, 1, 1, 1, 1});
    EXPECT_THAT(Rank(Device::Cpu(), weight, sums, 1).order, ElementsAre(2, 4, 6, 1, 5, 0, 3)) << NameOf(type);
  }
}

class RankRowsOfType : public testing::TestWithParam<ElementType> {};

TEST_P(RankRowsOfType, EqualsAStableSort) {
  const std::vector<std::pair<int64_t, int64_t>> shapes = {{1, 1},   {3, 1},   {4, 2},    {5, 7},
                                                           {9, 192}, {4, 512}, {2, 1025}, {1, kMaxCols}};
  for (const bool ties : {false, true}) {
    for (const auto& [rows, cols] : shapes) {
      auto weight = TestMatrix::Random(GetParam(), rows, cols, 17);
      auto sums = Positive(TestMatrix::Random(AccumulatorType(GetParam()), 1, cols, 18));
      if (ties) {
        // A handful of values, zero among them, and one norm.
        for (int64_t i = 0; i < rows * cols; ++i) weight.Set(i, std::round(weight.At(i)));
        for (int64_t c = 0; c < cols; ++c) sums.Set(c, 2);
      }
      const Ranking ranking = Rank(ThreadedCpu(3), weight, sums, 8);
      for (int64_t r = 0; r < rows; ++r) {
        std::vector<double> importance(cols);
        for (int64_t c = 0; c < cols; ++c) importance[c] = Importance(weight, sums, 8, r, c);
        std::vector<uint16_t> expected(cols);
        std::iota(expected.begin(), expected.end(), 0);
        std::stable_sort(expected.begin(), expected.end(),
                         [&](uint16_t a, uint16_t b) { return importance[a] < importance[b]; });
        const auto order = ranking.order.begin() + r * cols;
        ASSERT_TRUE(std::equal(expected.begin(), expected.end(), order)) << rows << "x" << cols << " row " << r;
        for (int64_t j = 0; j < cols; ++j) ASSERT_EQ(ranking.rank[r * cols + order[j]], j);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, RankRowsOfType,
                         testing::Values(ElementType::kFloat32, ElementType::kBFloat16, ElementType::kFloat64),
                         [](const auto& test) { return NameOf(test.param); });

}  // namespace
}  // namespace besa::kernels
