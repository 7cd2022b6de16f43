#include "proto/time.h"

#include "gtest/gtest.h"

namespace besa {
namespace {

TEST(ProtoTimeTest, TimesComeBackAsTheyWere) {
  for (const int64_t nanos : {int64_t{0}, int64_t{1}, int64_t{1'700'000'000'123'456'789}, int64_t{-1}}) {
    const absl::Time time = absl::FromUnixNanos(nanos);
    const auto proto = ToProto(time);
    EXPECT_EQ(FromProto(proto), time);
    EXPECT_GE(proto.nanos(), 0);
    EXPECT_LT(proto.nanos(), 1'000'000'000);
  }
}

TEST(ProtoTimeTest, DurationsKeepOneSign) {
  const auto proto = ToProto(absl::Milliseconds(-1500));
  EXPECT_EQ(proto.seconds(), -1);
  EXPECT_EQ(proto.nanos(), -500'000'000);
  EXPECT_EQ(FromProto(proto), absl::Milliseconds(-1500));
  EXPECT_EQ(FromProto(ToProto(absl::Milliseconds(2500))), absl::Milliseconds(2500));
}

}  // namespace
}  // namespace besa
