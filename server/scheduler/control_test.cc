#include "server/scheduler/control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/attempts.h"
#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TestJob;
using testing::TestWorker;

TEST(Cancel, BeforeAnythingRunsEndsTheJobAtOnce) {
  TestJob job;
  ASSERT_TRUE(job.Cancel().ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLED);
  EXPECT_TRUE(job.job().has_end_time());
  for (const TaskRow& row : job.rows.tasks) EXPECT_EQ(row.task.state(), v1::TASK_STATE_CANCELLED) << row.id;
}

TEST(Cancel, StopsGrantsAtOnceAndIsDoneWhenTheLastLeaseHasEnded) {
  TestJob job;
  TestWorker a{"workers/a", "a-1"};
  TestWorker b{"workers/b", "b-1"};
  const auto first = job.WorkUpTo(a, "prune-00000");
  const auto second = job.Lease(b);
  ASSERT_TRUE(job.Cancel().ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLING);
  EXPECT_FALSE(job.Lease(b).has_value());

  ASSERT_TRUE(job.Fail(a, first, v1::FAILURE_REASON_CANCELLED).ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLING);
  ASSERT_TRUE(job.Fail(b, *second, v1::FAILURE_REASON_CANCELLED).ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(job.last_attempt("prune-00000").outcome(), v1::ATTEMPT_OUTCOME_CANCELLED);
  EXPECT_EQ(job.garbage.back().uri, "/workspace/j1/");
}

TEST(Cancel, OfACancelledJobChangesNothing) {
  TestJob job;
  ASSERT_TRUE(job.Cancel().ok());
  const int64_t version = job.job().version();
  EXPECT_TRUE(job.Cancel().ok());
  EXPECT_EQ(job.job().version(), version);
}

TEST(Cancel, IsRefusedOncePublishingBegan) {
  TestJob job(1);
  TestWorker worker;
  job.WorkOff(worker);
  const absl::Status status = job.Cancel();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("jobs/j1 cannot be cancelled: it is PUBLISHING"));
}

TEST(Cancel, EndsLeasesThatHaveExpiredAlready) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  job.Expire("prepare");
  ASSERT_TRUE(job.Cancel().ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLED);
  EXPECT_TRUE(absl::IsAborted(job.Beat(worker, *prepare).status()));
}

TEST(Retry, KeepsCommittedTasksAndDoesTheRestAgain) {
  TestJob job(3);
  TestWorker worker;
  const auto block = job.WorkUpTo(worker, "prune-00002");
  ASSERT_TRUE(job.Fail(worker, block, v1::FAILURE_REASON_BAD_NUMBERS).ok());
  ASSERT_TRUE(job.Retry().ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_PENDING);
  EXPECT_EQ(job.job().generation(), 2);
  EXPECT_FALSE(job.job().has_error());
  EXPECT_FALSE(job.job().has_end_time());
  EXPECT_EQ(job.job().progress().blocks_committed(), 2);

  EXPECT_THAT(job.WorkOff(worker), ElementsAre("prune-00002", "evaluate-dense", "evaluate-pruned"));
  EXPECT_EQ(job.state(), v1::JOB_STATE_PUBLISHING);
}

TEST(Retry, CountsAttemptsAfreshAndKeepsTheirHistory) {
  TestJob job;
  job.context.options.max_attempts = 2;
  TestWorker worker;
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(job.Fail(worker, *job.Lease(worker), v1::FAILURE_REASON_INTERNAL).ok());
  ASSERT_EQ(job.state(), v1::JOB_STATE_FAILED);
  ASSERT_TRUE(job.Retry().ok());
  const auto third = job.Lease(worker);
  EXPECT_EQ(third->lease().attempt(), 3) << "numbers go on across generations";
  ASSERT_TRUE(job.Fail(worker, *third, v1::FAILURE_REASON_INTERNAL).ok());
  EXPECT_EQ(job.task_state("prepare"), v1::TASK_STATE_PENDING) << "one of two used up";
  EXPECT_EQ(job.task("prepare").task.attempts_size(), 3);
  EXPECT_EQ(job.last_attempt("prepare").generation(), 2);
}

TEST(Retry, EndsWhatStillRunsOfTheGenerationBefore) {
  TestJob job(3);
  TestWorker a{"workers/a", "a-1"};
  TestWorker b{"workers/b", "b-1"};
  const auto first = job.WorkUpTo(a, "prune-00000");
  const auto second = job.Lease(b);
  ASSERT_TRUE(job.Fail(a, first, v1::FAILURE_REASON_BAD_NUMBERS).ok());
  ASSERT_TRUE(job.Retry().ok());
  EXPECT_TRUE(absl::IsAborted(job.Commit(b, *second)));
  EXPECT_EQ(job.last_attempt("prune-00002").outcome(), v1::ATTEMPT_OUTCOME_CANCELLED);
  EXPECT_EQ(job.task_state("prune-00002"), v1::TASK_STATE_PENDING);
}

TEST(Retry, IsRefusedUnlessTheJobFailed) {
  TestJob job;
  EXPECT_TRUE(absl::IsFailedPrecondition(job.Retry()));
  ASSERT_TRUE(job.Cancel().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(job.Retry()));
}

TEST(Delete, IsRefusedUntilTheJobHasEnded) {
  TestJob job;
  EXPECT_TRUE(absl::IsFailedPrecondition(OnDelete(job.rows, job.context).reply.status()));
  ASSERT_TRUE(job.Cancel().ok());
  const auto decision = OnDelete(job.rows, job.context);
  EXPECT_TRUE(decision.reply.ok());
  EXPECT_TRUE(decision.changes.erase);
  ASSERT_EQ(decision.changes.garbage.size(), 1u);
  EXPECT_EQ(decision.changes.garbage[0].uri, "/workspace/j1/");
}

TEST(Retry, FindsTheFilesOfAFailedJobForAsLongAsTheyAreKept) {
  TestJob job;
  TestWorker worker;
  const auto fail = [&] {
    const auto prepare = job.Lease(worker);
    ASSERT_TRUE(job.Fail(worker, *prepare, v1::FAILURE_REASON_BAD_NUMBERS).ok());
    ASSERT_EQ(job.state(), v1::JOB_STATE_FAILED);
  };
  fail();
  const absl::Duration kept = job.context.options.keep_failed;
  ASSERT_EQ(job.garbage.back().uri, "/workspace/j1/");
  EXPECT_GT(job.garbage.back().due, job.context.now + kept);
  job.context.now += kept - absl::Seconds(1);
  ASSERT_TRUE(job.Retry().ok());
  EXPECT_FALSE(job.job().has_retry_until());
  EXPECT_THAT(job.rescued, ElementsAre("/workspace/j1/")) << "it is garbage no more";

  fail();
  job.context.now += kept;
  const absl::Status late = job.Retry();
  EXPECT_TRUE(absl::IsFailedPrecondition(late));
  EXPECT_THAT(std::string(late.message()), HasSubstr("can no longer be retried"));
}

}  // namespace
}  // namespace besa::server
