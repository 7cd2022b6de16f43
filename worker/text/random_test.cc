#include "worker/text/random.h"

#include "gtest/gtest.h"

namespace besa::text {
namespace {

// The first outputs that the authors' C program prints for seed 1234567.
TEST(SplitMix64Test, IsTheAlgorithmOfThePaper) {
  SplitMix64 random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317u);
  EXPECT_EQ(random.Next(), 3203168211198807973u);
  EXPECT_EQ(random.Next(), 9817491932198370423u);
}

TEST(SplitMix64Test, BelowReachesEveryNumberAndNoOther) {
  SplitMix64 random(0);
  int counts[7] = {};
  for (int i = 0; i < 7000; ++i) {
    const uint64_t draw = random.Below(7);
    ASSERT_LT(draw, 7u);
    ++counts[draw];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 120);
}

TEST(SplitMix64Test, BelowOneIsZero) {
  SplitMix64 random(42);
  EXPECT_EQ(random.Below(1), 0u);
}

}  // namespace
}  // namespace besa::text
