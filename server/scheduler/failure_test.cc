#include "server/scheduler/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/attempts.h"
#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using ::testing::HasSubstr;
using testing::TestJob;
using testing::TestWorker;

TEST(Failure, ThatAnotherAttemptCannotMendFailsTheJobAtOnce) {
  for (const auto reason :
       {v1::FAILURE_REASON_INVALID_INPUT, v1::FAILURE_REASON_BAD_NUMBERS, v1::FAILURE_REASON_INPUT_CHANGED}) {
    TestJob job;
    TestWorker worker;
    const auto block = job.WorkUpTo(worker, "prune-00001");
    ASSERT_TRUE(job.Fail(worker, block, reason, "block 1, linear q_proj: NaN in the weights").ok());
    EXPECT_EQ(job.task_state("prune-00001"), v1::TASK_STATE_FAILED);
    EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED);
    EXPECT_EQ(job.job().error().reason(), reason);
    EXPECT_EQ(job.job().error().message(), "task prune-00001: block 1, linear q_proj: NaN in the weights");
    EXPECT_EQ(job.job().error().task(), "jobs/j1/tasks/prune-00001");
  }
}

TEST(Failure, AttemptsThatAreHandedBackDoNotCount) {
  TestJob job;
  job.context.options.max_attempts = 2;
  TestWorker worker;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(job.Fail(worker, *job.Lease(worker), v1::FAILURE_REASON_DRAINED, "told to stop").ok());
    EXPECT_EQ(job.task_state("prepare"), v1::TASK_STATE_PENDING);
  }
  EXPECT_EQ(job.last_attempt("prepare").outcome(), v1::ATTEMPT_OUTCOME_RETURNED);
  EXPECT_EQ(CountedAttempts(job.task("prepare").task, 1), 0);
}

TEST(Failure, OutOfMemoryIsItsOwnReason) {
  TestJob job;
  TestWorker worker;
  ASSERT_TRUE(job.Fail(worker, *job.Lease(worker), v1::FAILURE_REASON_OUT_OF_MEMORY).ok());
  EXPECT_EQ(job.last_attempt("prepare").reason(), v1::FAILURE_REASON_OUT_OF_MEMORY);
  EXPECT_EQ(CountedAttempts(job.task("prepare").task, 1), 1);
}

TEST(Failure, OfAnyKindIsACancellationInACancelledJob) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  ASSERT_TRUE(job.Cancel().ok());
  ASSERT_TRUE(job.Fail(worker, *prepare, v1::FAILURE_REASON_BAD_NUMBERS).ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLED);
  EXPECT_FALSE(job.job().has_error());
  EXPECT_EQ(job.last_attempt("prepare").outcome(), v1::ATTEMPT_OUTCOME_CANCELLED);
}

TEST(Failure, RepeatingTheReportIsOkAndChangesNothing) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  ASSERT_TRUE(job.Fail(worker, *prepare, v1::FAILURE_REASON_INTERNAL).ok());
  const int64_t version = job.job().version();
  EXPECT_TRUE(job.Fail(worker, *prepare, v1::FAILURE_REASON_INTERNAL).ok());
  EXPECT_EQ(job.job().version(), version);
}

TEST(Failure, OfAnAttemptThatLostItsLeaseIsAborted) {
  TestJob job;
  TestWorker a{"workers/a", "a-1"};
  TestWorker b{"workers/b", "b-1"};
  const auto lost = job.Lease(a);
  job.Expire("prepare");
  job.Lease(b);
  EXPECT_TRUE(absl::IsAborted(job.Fail(a, *lost, v1::FAILURE_REASON_INTERNAL)));
  EXPECT_EQ(job.task_state("prepare"), v1::TASK_STATE_LEASED);
}

TEST(Failure, AfterExpiryReplacesTheLossAndCountsOnce) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  job.Expire("prepare");
  ASSERT_TRUE(job.Fail(worker, *prepare, v1::FAILURE_REASON_STORAGE).ok());
  EXPECT_EQ(job.last_attempt("prepare").outcome(), v1::ATTEMPT_OUTCOME_FAILED);
  EXPECT_EQ(CountedAttempts(job.task("prepare").task, 1), 1);
}

// Lost, crashed, out of memory, refused, no progress: all count, each is told.
TEST(Failure, OfAPoisonTaskFailsTheJobNamingBlockReasonsAndTheEndOfItsLog) {
  TestJob job(2, /*evaluation=*/false);
  TestWorker worker;
  auto block = job.WorkUpTo(worker, "prune-00000");
  ASSERT_TRUE(job.Fail(worker, block, v1::FAILURE_REASON_OUT_OF_MEMORY, "block 0: no memory left").ok());
  block = *job.Lease(worker);
  ASSERT_TRUE(job.Fail(worker, block, v1::FAILURE_REASON_REFUSED).ok());
  block = *job.Lease(worker);
  ASSERT_TRUE(job.Fail(worker, block, v1::FAILURE_REASON_OUT_OF_MEMORY).ok());
  block = *job.Lease(worker);
  job.Restart(worker, "a-2");
  EXPECT_EQ(job.state(), v1::JOB_STATE_PRUNING) << "four of five";
  block = *job.Lease(worker);
  job.Expire("prune-00000");
  EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(job.job().error().task(), "jobs/j1/tasks/prune-00000");
  EXPECT_EQ(job.job().error().reason(), v1::FAILURE_REASON_LOST);
  EXPECT_THAT(job.job().error().message(),
              HasSubstr("task prune-00000 failed after 5 attempts (2 out of memory, 1 crashed, 1 lost, 1 refused)"));
  ASSERT_EQ(job.job().error().log_tail_size(), 1) << "of the last attempt that sent its log";
  EXPECT_EQ(job.job().error().log_tail(0), "last line");
  EXPECT_EQ(job.task("prune-00000").task.attempts_size(), 5) << "the reasons are kept";
}

}  // namespace
}  // namespace besa::server
