#include "server/metrics/fleet_families.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"
#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::TestJob;
using testing::TestWorker;

ShownJob Show(const TestJob& job) {
  ShownJob shown{.job = job.job(), .tasks = {}};
  for (const TaskRow& row : job.rows.tasks) shown.tasks.push_back(row.task);
  return shown;
}

std::string Text(const std::vector<ShownJob>& jobs, const SeriesBudget& budget = {}) {
  return prometheus::TextSerializer().Serialize(
      FleetFamilies(jobs, {}, /*pending_hooks=*/7, absl::FromUnixSeconds(1'750'000'100), budget));
}

TEST(FleetFamilies, AJobThatRunsHasFigures) {
  TestJob job(/*blocks=*/3);
  TestWorker worker;
  job.WorkUpTo(worker, "prune-00001");
  const std::string text = Text({Show(job)});
  const std::string labels = "{job_name=\"" + job.job().name() + "\"}";
  EXPECT_THAT(text, HasSubstr(R"(besa_jobs{state="PRUNING"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(besa_jobs{state="PUBLISHING"} 0)"));
  EXPECT_THAT(text, HasSubstr("besa_completion_hooks_pending 7"));
  EXPECT_THAT(text, HasSubstr("besa_job_blocks" + labels + " 3"));
  EXPECT_THAT(text, HasSubstr("besa_job_blocks_committed" + labels + " 1"));
  EXPECT_THAT(text, HasSubstr("besa_block_progress_ratio{block=\"0\",job_name=\"" + job.job().name() + "\"} 1"));
  EXPECT_THAT(text, HasSubstr("besa_block_progress_ratio{block=\"2\",job_name=\"" + job.job().name() + "\"} 0"));
}

TEST(FleetFamilies, WhatTheBudgetLeavesOutIsCounted) {
  TestJob job(/*blocks=*/3);
  TestWorker worker;
  job.WorkUpTo(worker, "prune-00001");
  const std::string text = Text({Show(job), Show(job)}, {.jobs = 1, .blocks = 2});
  EXPECT_THAT(text, HasSubstr(R"(besa_jobs_without_series{series="job"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(besa_jobs_without_series{series="block"} 2)"));
  EXPECT_THAT(text, Not(HasSubstr("besa_block_progress_ratio")));
  EXPECT_THAT(text, HasSubstr(R"(besa_jobs{state="PRUNING"} 2)"));
}

TEST(FleetFamilies, AJobThatEndedCountsNoMore) {
  TestJob job(/*blocks=*/1);
  ASSERT_TRUE(job.Cancel().ok());
  const std::string text = Text({Show(job)});
  EXPECT_THAT(text, HasSubstr(R"(besa_jobs{state="PENDING"} 0)"));
  EXPECT_THAT(text, HasSubstr(R"(state="CANCELLED"} 1)"));  // its besa_job_info, until it is gone
}

}  // namespace
}  // namespace besa::server
