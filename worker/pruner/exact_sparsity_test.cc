#include "worker/pruner/exact_sparsity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace besa::pruner {
namespace {

using testing::ElementsAre;

int64_t Sum(const std::vector<int32_t>& counts) { return std::accumulate(counts.begin(), counts.end(), int64_t{0}); }

TEST(ExactSparsity, RatesThatMeetTheTargetStay) {
  EXPECT_THAT(ExactSparsity({{.cols = 10, .rate = 0.3}, {.cols = 10, .rate = 0.7}}, 0.5), ElementsAre(3, 7));
}

TEST(ExactSparsity, OneShiftMovesAllRatesToTheTarget) {
  // 0.1 is missing on average.
  EXPECT_THAT(ExactSparsity({{.cols = 10, .rate = 0.2}, {.cols = 10, .rate = 0.6}}, 0.5), ElementsAre(3, 7));
}

TEST(ExactSparsity, RatesStopAtNothingAndEverything) {
  EXPECT_THAT(ExactSparsity({{.cols = 10, .rate = 0.9}, {.cols = 10, .rate = 0.2}}, 0.9), ElementsAre(10, 8));
  EXPECT_THAT(ExactSparsity({{.cols = 10, .rate = 0.5}, {.cols = 10, .rate = 0.5}}, 0.0), ElementsAre(0, 0));
  EXPECT_THAT(ExactSparsity({{.cols = 10, .rate = 0.5}, {.cols = 10, .rate = 0.5}}, 1.0), ElementsAre(10, 10));
}

TEST(ExactSparsity, MissingWeightsGoToTheLargestRemainders) {
  // Shares 2.2, 2.9, 2.4 of 15 weights at 0.5: 7.5 rounds up to 8.
  const auto counts =
      ExactSparsity({{.cols = 5, .rate = 0.44}, {.cols = 5, .rate = 0.58}, {.cols = 5, .rate = 0.48}}, 0.5);
  EXPECT_THAT(counts, ElementsAre(2, 3, 3));
}

TEST(ExactSparsity, TiesGoToTheEarlierRow) {
  EXPECT_THAT(ExactSparsity({{.cols = 3, .rate = 0.5}, {.cols = 3, .rate = 0.5}, {.cols = 3, .rate = 0.5}}, 0.5),
              ElementsAre(2, 2, 1));
}

TEST(ExactSparsity, RowsOfDifferentLengthShareOneShift) {
  const std::vector<RowRate> rows = {
      {.cols = 192, .rate = 0.41}, {.cols = 512, .rate = 0.62}, {.cols = 64, .rate = 0.5}};
  for (double sparsity : {0.01, 0.3, 0.5, 0.77, 0.99}) {
    EXPECT_EQ(Sum(ExactSparsity(rows, sparsity)), std::llround(sparsity * 768)) << sparsity;
  }
}

TEST(ExactSparsity, RoundingInTheRatesChangesNothing) {
  EXPECT_THAT(ExactSparsity({{.cols = 10, .rate = 0.3 - 1e-12}, {.cols = 10, .rate = 0.7 + 1e-12}}, 0.5),
              ElementsAre(3, 7));
}

}  // namespace
}  // namespace besa::pruner
