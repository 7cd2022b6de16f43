#include "server/scheduler/pending_reason.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/control.h"
#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using testing::TestJob;
using testing::TestWorker;

constexpr int64_t kGiB = int64_t{1} << 30;

TEST(PendingReason, OfABlockedTaskCountsWhatItWaitsFor) {
  TestJob job(3);
  EXPECT_EQ(TaskPendingReason(job.rows, job.task("prune-00001"), {1, kGiB}), "waits for 1 task");
  EXPECT_EQ(TaskPendingReason(job.rows, job.task("evaluate-pruned"), {1, kGiB}), "waits for 5 tasks");
}

TEST(PendingReason, SaysThatNoWorkersAreConnected) {
  TestJob job;
  EXPECT_EQ(TaskPendingReason(job.rows, job.task("prepare"), {0, 0}), "no workers are connected");
  EXPECT_EQ(JobPendingReason(job.rows, {0, 0}, true), "no workers are connected");
}

TEST(PendingReason, SaysHowMuchMemoryIsMissing) {
  TestJob job;
  TestWorker worker;
  ASSERT_TRUE(job.Commit(worker, *job.Lease(worker)).ok());
  const std::string reason = "needs 4.0 GiB of device memory, the largest worker has 1.5 GiB";
  EXPECT_EQ(TaskPendingReason(job.rows, job.task("prune-00000"), {2, kGiB * 3 / 2}), reason);

  ASSERT_TRUE(job.Commit(worker, job.WorkUpTo(worker, "passthrough")).ok());
  EXPECT_EQ(JobPendingReason(job.rows, {2, kGiB * 3 / 2}, true),
            "task prune-00000 needs 4.0 GiB of device memory, the largest worker has 1.5 GiB");
  ASSERT_TRUE(job.Commit(worker, job.WorkUpTo(worker, "prune-00002")).ok());
  EXPECT_EQ(JobPendingReason(job.rows, {2, kGiB * 3 / 2}, true),
            "task evaluate-dense needs 2.0 GiB of device memory, the largest worker has 1.5 GiB");
}

TEST(PendingReason, SaysThatAllWorkersAreBusy) {
  TestJob job;
  EXPECT_EQ(JobPendingReason(job.rows, {2, kGiB}, true), "waits for one of 2 workers to become free");
}

TEST(PendingReason, IsEmptyWhileSomethingRuns) {
  TestJob job;
  TestWorker worker;
  job.Lease(worker);
  EXPECT_EQ(TaskPendingReason(job.rows, job.task("prepare"), {0, 0}), "");
  EXPECT_EQ(JobPendingReason(job.rows, {0, 0}, true), "");
}

TEST(PendingReason, BetweenTwoTasksIsNotWorthAMessage) {
  TestJob job;
  TestWorker worker;
  ASSERT_TRUE(job.Commit(worker, *job.Lease(worker)).ok());
  EXPECT_EQ(job.job().pending_reason(), "");
  const auto refreshed = OnRefresh(job.rows, job.context);
  ASSERT_TRUE(refreshed.changes.job.has_value());
  EXPECT_EQ(refreshed.changes.job->job.pending_reason(), "waits for one of 1 worker to become free");
}

TEST(PendingReason, WatchersHearWhenTheFleetIsTheReason) {
  TestJob job;
  job.context.fleet = {};
  job.Apply(OnRefresh(job.rows, job.context).changes);
  EXPECT_EQ(job.events.back().job().pending_reason(), "no workers are connected");
  EXPECT_TRUE(OnRefresh(job.rows, job.context).changes.empty()) << "said once";
}

TEST(PendingReason, SaysThatTheWorkersDrain) {
  TestJob job;
  EXPECT_EQ(TaskPendingReason(job.rows, job.rows.tasks[0], {.draining = 1}), "the one connected worker drains");
  EXPECT_EQ(TaskPendingReason(job.rows, job.rows.tasks[0], {.draining = 3}), "all 3 connected workers drain");
}

}  // namespace
}  // namespace besa::server
