#include "storage/base/backoff.h"

#include "gtest/gtest.h"
#include "storage/base/random.h"

namespace besa {
namespace {

TEST(BackoffTest, DoublesUpToTheMaximum) {
  const Backoff backoff{.first = absl::Seconds(1), .longest = absl::Seconds(5)};
  EXPECT_EQ(backoff.Delay(1, 1.0), absl::Seconds(1));
  EXPECT_EQ(backoff.Delay(2, 1.0), absl::Seconds(2));
  EXPECT_EQ(backoff.Delay(3, 1.0), absl::Seconds(4));
  EXPECT_EQ(backoff.Delay(4, 1.0), absl::Seconds(5));
  EXPECT_EQ(backoff.Delay(5, 1.0), absl::Seconds(5));
}

TEST(BackoffTest, JitterTakesAtMostHalfAway) {
  const Backoff backoff{.first = absl::Milliseconds(200), .longest = absl::Seconds(1)};
  EXPECT_EQ(backoff.Delay(1, 0.0), absl::Milliseconds(100));
  EXPECT_EQ(backoff.Delay(2, 0.0), absl::Milliseconds(200));
  EXPECT_EQ(backoff.Delay(3, 0.0), absl::Milliseconds(400));
  EXPECT_EQ(backoff.Delay(4, 0.0), absl::Milliseconds(500));
  EXPECT_EQ(backoff.Delay(1'000'000, 0.0), absl::Milliseconds(500));
  const double most = UnitInterval(~uint64_t{0});
  EXPECT_GT(backoff.Delay(1, most), absl::Milliseconds(199));
  EXPECT_LE(backoff.Delay(1, most), absl::Milliseconds(200));
}

}  // namespace
}  // namespace besa
