#include "storage/checkpoint/shard_plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ShardPlanTest, FillsFilesInTheGivenOrder) {
  EXPECT_THAT(PlanShards({{"a", 4}, {"b", 6}, {"c", 1}, {"d", 9}, {"e", 1}}, 10),
              ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3), ElementsAre(4)));
}

TEST(ShardPlanTest, AnOversizedTensorGetsAFileOfItsOwn) {
  EXPECT_THAT(PlanShards({{"a", 1}, {"b", 100}, {"c", 1}}, 10),
              ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(2)));
}

TEST(ShardPlanTest, EmptyTensorsTakeNoRoom) {
  EXPECT_THAT(PlanShards({{"a", 10}, {"b", 0}, {"c", 0}}, 10), ElementsAre(ElementsAre(0, 1, 2)));
}

TEST(ShardPlanTest, NothingGivesNoFiles) { EXPECT_THAT(PlanShards({}, 10), IsEmpty()); }

TEST(ShardPlanTest, ABlockOfALargeModelFitsInOneFile) {
  // LLaMA-2-70B: 8192 / 28672, 8 of 64 key-value heads, bf16.
  const int64_t attention = 2 * 8192 * 8192 + 2 * 1024 * 8192;
  const int64_t block = 2 * (attention + int64_t{3} * 8192 * 28672);
  EXPECT_LT(block, kMaxShardBytes);
}

}  // namespace
}  // namespace besa::storage
