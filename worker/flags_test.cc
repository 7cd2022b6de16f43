#include "worker/flags.h"

#include <cstdlib>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa::worker {
namespace {

using ::testing::ElementsAre;

Flags Parse(const std::string& line) {
  Flags flags;
  CLI::App app;
  AddFlags(app, flags);
  app.parse(line);
  return flags;
}

TEST(FlagsTest, EveryFlagArrives) {
  const Flags flags = Parse(
      "--coordinator c:7600 --device cuda:1 --name w1 --threads 2 --memory-limit 8GiB --allow /a --allow /b "
      "--log-level debug --log-format json");
  EXPECT_EQ(flags.coordinator, "c:7600");
  EXPECT_EQ(flags.device, "cuda:1");
  EXPECT_EQ(flags.threads, 2);
  EXPECT_EQ(flags.memory_limit, uint64_t{8} << 30);
  EXPECT_THAT(flags.allow, ElementsAre("/a", "/b"));
  EXPECT_EQ(flags.log_level, "debug");
  EXPECT_EQ(flags.log_format, "json");
}

TEST(FlagsTest, RanksMayBeListedOrCounted) {
  const Flags listed = Parse("--coordinator c:1 --allow /a --device cuda:0,cuda:1 --rank-timeout 60");
  EXPECT_EQ(listed.device, "cuda:0,cuda:1");
  EXPECT_EQ(listed.rank_timeout, 60);
  EXPECT_EQ(Parse("--coordinator c:1 --allow /a --ranks 4").ranks, 4);
  // As a rank's own process is started.
  const Flags rank = Parse("--coordinator c:1 --allow /a --ranks 2 --rank=1 --rank-store=/tmp/x-0");
  EXPECT_EQ(rank.rank, 1);
  EXPECT_EQ(rank.rank_store, "/tmp/x-0");
  EXPECT_EQ(WorkerName({.device = "cuda:0,cuda:1"}, "gpu-7"), "workers/gpu-7-cuda-0-cuda-1");
}

TEST(FlagsTest, TheCoordinatorMayComeFromTheEnvironment) {
  setenv("BESA_COORDINATOR", "env:1", 1);
  EXPECT_EQ(Parse("--allow /a").coordinator, "env:1");
  unsetenv("BESA_COORDINATOR");
}

TEST(FlagsTest, WhatIsMissingOrSenselessIsRefused) {
  EXPECT_THROW(Parse("--allow /a"), CLI::ParseError);
  EXPECT_THROW(Parse("--coordinator c:1"), CLI::ParseError);
  EXPECT_THROW(Parse("--coordinator c:1 --allow /a --memory-limit much"), CLI::ParseError);
  EXPECT_THROW(Parse("--coordinator c:1 --allow /a --threads -1"), CLI::ParseError);
  EXPECT_THROW(Parse("--coordinator c:1 --allow /a --log-format xml"), CLI::ParseError);
}

TEST(FlagsTest, NamesAreResourceIds) {
  EXPECT_EQ(WorkerName({.name = "w1"}, "host"), "workers/w1");
  EXPECT_EQ(WorkerName({.device = "cuda:0"}, "GPU-7.cluster"), "workers/gpu-7-cluster-cuda-0");
}

}  // namespace
}  // namespace besa::worker
