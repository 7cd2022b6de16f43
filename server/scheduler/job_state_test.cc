#include "server/scheduler/job_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using testing::TestJob;
using testing::TestWorker;

TEST(JobState, FollowsTheCommittedTasksFromPendingToPublishing) {
  TestJob job(1);
  TestWorker worker;
  EXPECT_EQ(job.state(), v1::JOB_STATE_PENDING);
  EXPECT_FALSE(job.job().has_start_time());

  const auto prepare = job.Lease(worker);
  EXPECT_EQ(job.state(), v1::JOB_STATE_PREPARING);
  EXPECT_TRUE(job.job().has_start_time());

  ASSERT_TRUE(job.Commit(worker, *prepare).ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_PRUNING);

  ASSERT_TRUE(job.Commit(worker, *job.Lease(worker)).ok());  // the other tensors
  EXPECT_EQ(job.state(), v1::JOB_STATE_PRUNING);
  ASSERT_TRUE(job.Commit(worker, *job.Lease(worker)).ok());  // the block
  EXPECT_EQ(job.state(), v1::JOB_STATE_EVALUATING);

  job.WorkOff(worker);
  EXPECT_EQ(job.state(), v1::JOB_STATE_PUBLISHING);
  EXPECT_FALSE(job.job().has_end_time());
}

TEST(JobState, EveryChangeHasItsVersionAndItsEvent) {
  TestJob job(1);
  TestWorker worker;
  EXPECT_EQ(job.job().version(), 1);
  const auto prepare = job.Lease(worker);
  ASSERT_EQ(job.events.size(), 3u);  // created; task leased; job preparing
  EXPECT_EQ(job.events[1].task().state(), v1::TASK_STATE_LEASED);
  EXPECT_EQ(job.events[2].job().state(), v1::JOB_STATE_PREPARING);
  EXPECT_EQ(job.job().version(), 3);

  ASSERT_TRUE(job.Commit(worker, *prepare).ok());
  // The event of the job comes last: whoever has seen it has seen the tasks that led to it.
  EXPECT_EQ(job.events.back().job().state(), v1::JOB_STATE_PRUNING);
  EXPECT_EQ(job.events.back().version(), job.job().version());
}

TEST(JobState, AnAttemptThatFailsSendsTheTaskBackUntilAttemptsAreUsedUp) {
  TestJob job(1);
  job.context.options.max_attempts = 3;
  TestWorker worker;
  for (int attempt = 1; attempt <= 2; ++attempt) {
    ASSERT_TRUE(job.Fail(worker, *job.Lease(worker), v1::FAILURE_REASON_INTERNAL).ok());
    EXPECT_EQ(job.task_state("prepare"), v1::TASK_STATE_PENDING);
  }
  ASSERT_TRUE(job.Fail(worker, *job.Lease(worker), v1::FAILURE_REASON_STORAGE, "disk is full").ok());
  EXPECT_EQ(job.task_state("prepare"), v1::TASK_STATE_FAILED);
  EXPECT_EQ(job.task("prepare").task.attempts_size(), 3);

  EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED);
  EXPECT_TRUE(job.job().has_end_time());
  const v1::JobError& error = job.job().error();
  EXPECT_EQ(error.reason(), v1::FAILURE_REASON_STORAGE);
  EXPECT_EQ(error.task(), "jobs/j1/tasks/prepare");
  EXPECT_EQ(error.message(),
            "task prepare failed after 3 attempts (2 internal, 1 storage), the last on workers/a: disk is full");
  ASSERT_EQ(error.log_tail_size(), 1);
  EXPECT_EQ(error.log_tail(0), "last line");
}

TEST(JobState, WhenAJobFailsWhatWaitsIsCancelledAndWhatRunsIsTold) {
  TestJob job(3);
  TestWorker a{"workers/a", "a-1"};
  TestWorker b{"workers/b", "b-1"};
  const auto first = job.WorkUpTo(a, "prune-00000");
  const auto second = job.Lease(b);
  ASSERT_TRUE(job.Fail(a, first, v1::FAILURE_REASON_BAD_NUMBERS, "block 0, linear q_proj: NaN").ok());

  EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(job.task_state("prune-00001"), v1::TASK_STATE_CANCELLED);
  EXPECT_EQ(job.task_state("prune-00002"), v1::TASK_STATE_LEASED);
  EXPECT_TRUE(*job.Beat(b, *second)) << "told to stop";
  EXPECT_TRUE(absl::IsAborted(job.Commit(b, *second)));
  EXPECT_EQ(job.task_state("prune-00002"), v1::TASK_STATE_CANCELLED);
  EXPECT_EQ(job.last_attempt("prune-00002").outcome(), v1::ATTEMPT_OUTCOME_CANCELLED);
  EXPECT_FALSE(job.Lease(a).has_value());
}

}  // namespace
}  // namespace besa::server
