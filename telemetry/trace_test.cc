#include "telemetry/trace.h"

#include "gtest/gtest.h"

namespace besa {
namespace {

TEST(Trace, AnIdSurvivesTheWayThroughTheMetadata) {
  uint64_t next = 0x4bf92f3577b34da6;
  const auto random = [&next] { return next++; };
  const std::string id = NewTraceId(random);
  EXPECT_EQ(id, "4bf92f3577b34da64bf92f3577b34da7");
  const std::string parent = MakeTraceparent(id, random);
  EXPECT_EQ(parent, "00-4bf92f3577b34da64bf92f3577b34da7-4bf92f3577b34da8-01");
  EXPECT_EQ(TraceIdOf(parent), id);
}

TEST(Trace, WhatIsNoTraceparentHasNoId) {
  for (const char* text : {"", "00-xyz", "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                           "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                           "00+4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) {
    EXPECT_EQ(TraceIdOf(text), "") << text;
  }
}

TEST(Trace, LaterVersionsAreRead) {
  EXPECT_EQ(TraceIdOf("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"),
            "4bf92f3577b34da6a3ce929d0e0e4736");
}

}  // namespace
}  // namespace besa
