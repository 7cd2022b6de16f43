#include "client/cli/format.h"

#include "besa/v1/prune_service.pb.h"
#include "gtest/gtest.h"

namespace besa::client {
namespace {

TEST(FormatTest, Durations) {
  EXPECT_EQ(ShowDuration(absl::ZeroDuration()), "0.0 s");
  EXPECT_EQ(ShowDuration(absl::Milliseconds(12'540)), "12.5 s");
  EXPECT_EQ(ShowDuration(absl::Milliseconds(59'970)), "1 min 00 s");
  EXPECT_EQ(ShowDuration(absl::Seconds(185)), "3 min 05 s");
  EXPECT_EQ(ShowDuration(absl::Minutes(127)), "2 h 07 min");
  EXPECT_EQ(ShowDuration(absl::Seconds(-3)), "0.0 s");
}

TEST(FormatTest, Counts) {
  EXPECT_EQ(ShowCount(0), "0");
  EXPECT_EQ(ShowCount(999), "999");
  EXPECT_EQ(ShowCount(1'234'567), "1,234,567");
  EXPECT_EQ(ShowCount(-1000), "-1,000");
}

TEST(FormatTest, EnumsByTheirTellingPart) {
  EXPECT_EQ(EnumWord(v1::JOB_STATE_PRUNING), "PRUNING");
  EXPECT_EQ(EnumFlag(v1::FAILURE_REASON_OUT_OF_MEMORY), "out-of-memory");
  // From a coordinator that is newer than this client.
  EXPECT_EQ(EnumWord(static_cast<v1::JobState>(77)), "77");
}

TEST(FormatTest, OtherPeoplesTextStaysOnItsLine) {
  EXPECT_EQ(OneLine("two\nlines\x1b[2J\n"), "two lines [2J");
  EXPECT_EQ(Shorten("abcdefgh", 8), "abcdefgh");
  EXPECT_EQ(Shorten("abcdefgh", 7), "abcd...");
  EXPECT_EQ(Shorten("äöüäöüäö", 7), "äöüä...");
  EXPECT_EQ(Shorten("abcdefgh", 2), "..");
  EXPECT_EQ(Pad("äö", 4), "äö  ");
}

TEST(FormatTest, TablesAlign) {
  EXPECT_EQ(FormatTable({{"A", "B"}, {"long cell", "x"}, {"c"}}), "A          B\nlong cell  x\nc\n");
  EXPECT_EQ(FormatFacts({{"job", "jobs/j1"}, {"name", ""}, {"state", "FAILED"}}), "job:    jobs/j1\nstate:  FAILED\n");
}

TEST(FormatTest, TimesInUtc) {
  google::protobuf::Timestamp time;
  EXPECT_EQ(ShowTime(time), "-");
  time.set_seconds(1'700'000'000);
  EXPECT_EQ(ShowTime(time), "2023-11-14 22:13:20Z");
}

}  // namespace
}  // namespace besa::client
