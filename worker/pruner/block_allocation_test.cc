#include "worker/pruner/block_allocation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace besa::pruner {
namespace {

constexpr int64_t kWeights = 100'000;

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

BesaOptions Recovered() { return {.sparsity = 0.5, .schedule = Schedule::kSequential, .recovery = {.epochs = 4}}; }

TEST(ShareOut, BlocksThatCostTheSameLoseTheSame) {
  for (const double share : ShareOut({0.1, 0.1, 0.1}, kWeights, {.sparsity = 0.5})) EXPECT_DOUBLE_EQ(share, 0.5);
}

TEST(ShareOut, MakesTheSlopesOfAllBlocksTheSame) {
  const std::vector<double> cost = {0.3, 0.1, 0.05, 0.12};
  const std::vector<double> shares = ShareOut(cost, kWeights, {.sparsity = 0.6});
  EXPECT_NEAR(Mean(shares), 0.6, 1e-12);
  const auto slope = [&](size_t block) { return cost[block] * std::exp(kDivergenceGrowth * (shares[block] - 0.6)); };
  for (size_t block = 1; block < cost.size(); ++block) EXPECT_NEAR(slope(block), slope(0), 1e-3 * slope(0));
}

TEST(ShareOut, IsTheBestThereIsByTheExponentialItRestsOn) {
  const std::vector<double> cost = {0.3, 0.1, 0.05, 0.12};
  const auto total = [&](const std::vector<double>& shares) {
    double sum = 0.0;
    for (size_t block = 0; block < cost.size(); ++block) {
      sum += cost[block] * std::exp(kDivergenceGrowth * (shares[block] - 0.6));
    }
    return sum;
  };
  const std::vector<double> best = ShareOut(cost, kWeights, {.sparsity = 0.6});
  for (size_t from = 0; from < cost.size(); ++from) {
    for (size_t to = 0; to < cost.size(); ++to) {
      if (from == to) continue;
      std::vector<double> other = best;
      other[from] -= 0.01;
      other[to] += 0.01;
      EXPECT_GT(total(other), total(best)) << from << " to " << to;
    }
  }
}

TEST(ShareOut, RemovesWholeWeightsThatAddUpToTheTarget) {
  const std::vector<double> shares = ShareOut({0.3, 0.1, 0.05}, 1001, {.sparsity = 0.5});
  double removed = 0.0;
  for (const double share : shares) {
    const double weights = share * 1001;
    EXPECT_NEAR(weights, std::round(weights), 1e-9);
    removed += weights;
  }
  EXPECT_NEAR(removed, std::round(0.5 * 3003), 1e-6);
}

TEST(ShareOut, WhatLaterBlocksMakeGoodCountsLess) {
  const std::vector<double> shares = ShareOut({0.1, 0.1, 0.1}, kWeights, Recovered());
  EXPECT_NEAR(shares[0] - shares[2], 1.0 / kDivergenceGrowth, 1e-4) << "the first counts 1/e of the last";
  EXPECT_NEAR(shares[1], 0.5, 1e-4);
  BesaOptions independent = Recovered();
  independent.schedule = Schedule::kIndependent;
  EXPECT_DOUBLE_EQ(ShareOut({0.1, 0.1, 0.1}, kWeights, independent)[0], 0.5) << "nobody makes it good";
}

TEST(ShareOut, StaysNearTheMeanWhateverWasMeasured) {
  const std::vector<double> shares = ShareOut({1e3, 0.1, 0.1, 0.0}, kWeights, {.sparsity = 0.5});
  EXPECT_NEAR(Mean(shares), 0.5, 1e-12);
  for (const double share : shares) {
    EXPECT_GE(share, 0.0);
    EXPECT_LE(share, 1.0);
  }
  EXPECT_NEAR(shares[3] - shares[0], 2 * kFurthestFromMean, 1e-3);
}

TEST(ShareOut, OneBlockLosesEverything) { EXPECT_EQ(ShareOut({0.2}, kWeights, Recovered()), std::vector<double>{0.5}); }

}  // namespace
}  // namespace besa::pruner
