#include "worker/pruner/mask_growth.h"

#include <gtest/gtest.h>

#include <vector>

namespace besa::pruner {
namespace {

TEST(MaskGrowth, FixedMasksAreThereFromTheFirstStep) {
  const MaskGrowth growth(RecoveryMasks::kFixed, 100);
  EXPECT_EQ(growth.ShareAt(0), 1.0);
  for (int64_t step = 1; step < 100; ++step) EXPECT_EQ(growth.ShareAt(step), std::nullopt);
}

TEST(MaskGrowth, GrowsFromSixTenthsToAllInTheFirstHalfFastAtFirst) {
  const MaskGrowth growth(RecoveryMasks::kGrowing, 512);
  std::vector<int64_t> moments;
  std::vector<double> shares;
  for (int64_t step = 0; step < 512; ++step) {
    if (const auto share = growth.ShareAt(step)) {
      moments.push_back(step);
      shares.push_back(*share);
    }
  }
  ASSERT_EQ(moments.size(), 17u);
  EXPECT_EQ(moments[1], 16);
  EXPECT_EQ(moments.back(), 256);
  EXPECT_DOUBLE_EQ(shares.front(), 0.6);
  EXPECT_DOUBLE_EQ(shares[8], 0.95) << "half-way seven eighths of the rest are gone";
  EXPECT_EQ(shares.back(), 1.0);
  for (size_t i = 2; i < shares.size(); ++i) EXPECT_LT(shares[i] - shares[i - 1], shares[i - 1] - shares[i - 2]);
}

TEST(MaskGrowth, OfFewStepsSeveralMomentsFallTogetherAndNothingIsLeftOver) {
  for (int64_t steps = 1; steps < 40; ++steps) {
    const MaskGrowth growth(RecoveryMasks::kGrowing, steps);
    double last = 0.0;
    for (int64_t step = 0; step < steps; ++step) {
      const auto share = growth.ShareAt(step);
      EXPECT_TRUE(share.has_value() || step > 0);
      if (!share) continue;
      EXPECT_GT(*share, last) << steps << " steps, step " << step;
      last = *share;
    }
    EXPECT_EQ(last, 1.0) << steps << " steps";
  }
}

}  // namespace
}  // namespace besa::pruner
