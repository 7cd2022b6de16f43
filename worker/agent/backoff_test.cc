#include "worker/agent/backoff.h"

#include "gtest/gtest.h"

namespace besa::worker {
namespace {

const BackoffOptions kOptions{.initial = absl::Seconds(1), .maximum = absl::Seconds(5)};

TEST(BackoffTest, DoublesUpToTheMaximum) {
  Backoff backoff(kOptions, [] { return 1.0; });
  EXPECT_EQ(backoff.Next(), absl::Seconds(1));
  EXPECT_EQ(backoff.Next(), absl::Seconds(2));
  EXPECT_EQ(backoff.Next(), absl::Seconds(4));
  EXPECT_EQ(backoff.Next(), absl::Seconds(5));
  EXPECT_EQ(backoff.Next(), absl::Seconds(5));
}

TEST(BackoffTest, JitterTakesAtMostHalfAway) {
  Backoff backoff(kOptions, [] { return 0.0; });
  EXPECT_EQ(backoff.Next(), absl::Seconds(0.5));
  EXPECT_EQ(backoff.Next(), absl::Seconds(1));
}

TEST(BackoffTest, StartsAnewAfterASuccess) {
  Backoff backoff(kOptions, [] { return 1.0; });
  backoff.Next();
  backoff.Next();
  backoff.Reset();
  EXPECT_EQ(backoff.Next(), absl::Seconds(1));
}

}  // namespace
}  // namespace besa::worker
