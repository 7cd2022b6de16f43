#include "worker/ranks/devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace besa::worker {
namespace {

using testing::ElementsAre;

TEST(RankDevices, AreListedOrCounted) {
  EXPECT_THAT(*RankDevices("cuda:1", 0), ElementsAre("cuda:1"));
  EXPECT_THAT(*RankDevices("cuda:0,cuda:2", 0), ElementsAre("cuda:0", "cuda:2"));
  EXPECT_THAT(*RankDevices("cuda:0,cuda:2", 2), ElementsAre("cuda:0", "cuda:2"));
  EXPECT_THAT(*RankDevices("cuda:4", 3), ElementsAre("cuda:4", "cuda:5", "cuda:6"));
  EXPECT_THAT(*RankDevices("cpu", 2), ElementsAre("cpu", "cpu"));
  EXPECT_THAT(*RankDevices("cpu", 1), ElementsAre("cpu"));
}

TEST(RankDevices, RefusesWhatDoesNotFitTogether) {
  EXPECT_EQ(RankDevices("cuda:0,cuda:1", 3).status().message(),
            "--ranks: 3 is not valid; expected 2, as many as --device lists");
  EXPECT_EQ(RankDevices("cuda:0,cuda:0", 0).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace besa::worker
