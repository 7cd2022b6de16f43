#include "storage/base/sleeper.h"

#include "gtest/gtest.h"

namespace besa {
namespace {

TEST(SleeperTest, WakesWhenStopped) {
  std::stop_source stop;
  EXPECT_TRUE(Sleeper::Real().Sleep(absl::ZeroDuration(), stop.get_token()));
  stop.request_stop();
  EXPECT_FALSE(Sleeper::Real().Sleep(absl::Hours(1), stop.get_token()));
}

}  // namespace
}  // namespace besa
