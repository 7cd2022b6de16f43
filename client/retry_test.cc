#include "client/retry.h"

#include <limits>
#include <regex>
#include <set>

#include "client/testing/manual_time.h"
#include "client/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa::client {
namespace {

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();

TEST(RetryTest, RepeatsTransientErrorsOnly) {
  ManualTime time;
  int calls = 0;
  const auto status = RunWithRetries(
      {.max_attempts = 5}, time, [] { return uint64_t{0}; },
      [&](int number) {
        EXPECT_EQ(number, ++calls);
        return number < 3 ? absl::UnavailableError("starting") : absl::NotFoundError("none");
      });
  EXPECT_EQ(status, absl::NotFoundError("none"));
  EXPECT_THAT(time.sleeps(), testing::ElementsAre(absl::Milliseconds(100), absl::Milliseconds(200)));
}

TEST(RetryTest, ReturnsTheLastErrorWhenAttemptsAreUsedUp) {
  ManualTime time;
  int calls = 0;
  const auto status = RunWithRetries({.max_attempts = 3}, time, SystemRandom(), [&](int) {
    ++calls;
    return absl::DeadlineExceededError("slow");
  });
  EXPECT_EQ(status, absl::DeadlineExceededError("slow"));
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(time.sleeps().size(), 2);
}

TEST(RandomTest, UuidsAreOfVersionFourAndDiffer) {
  const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  EXPECT_TRUE(std::regex_match(MakeUuid([] { return uint64_t{0}; }), form));
  EXPECT_TRUE(std::regex_match(MakeUuid([] { return kMost; }), form));
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(MakeUuid(SystemRandom()));
  EXPECT_EQ(seen.size(), 100);
}

}  // namespace
}  // namespace besa::client
