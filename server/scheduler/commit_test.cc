#include "server/scheduler/commit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using testing::HolderOf;
using testing::TestJob;
using testing::TestResult;
using testing::TestWorker;

TEST(Commit, StoresTheResultWithAttemptAndFolder) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  ASSERT_TRUE(job.Commit(worker, *prepare).ok());
  const v1::Task& task = job.task("prepare").task;
  EXPECT_EQ(task.state(), v1::TASK_STATE_COMMITTED);
  EXPECT_EQ(task.result().attempt(), 1);
  EXPECT_EQ(task.result().attempt_uri(), prepare->attempt_uri());
  EXPECT_EQ(task.attempts(0).outcome(), v1::ATTEMPT_OUTCOME_COMMITTED);
  EXPECT_TRUE(task.attempts(0).has_end_time());
  EXPECT_TRUE(job.garbage.empty()) << "the winner's files stay";
}

TEST(Commit, RepeatingItIsOkAndChangesNothing) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  ASSERT_TRUE(job.Commit(worker, *prepare).ok());
  const int64_t version = job.job().version();
  EXPECT_TRUE(job.Commit(worker, *prepare).ok());
  EXPECT_EQ(job.job().version(), version);
}

TEST(Commit, OfOtherFilesUnderTheSameLeaseIsAborted) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  ASSERT_TRUE(job.Commit(worker, *prepare).ok());
  EXPECT_TRUE(absl::IsAborted(job.Commit(worker, *prepare, /*variant=*/1)));
}

TEST(Commit, OfOtherFiguresUnderTheSameLeaseIsAborted) {
  TestJob job(1);
  TestWorker worker;
  const auto evaluation = job.WorkUpTo(worker, "evaluate-dense");
  ASSERT_TRUE(job.Commit(worker, evaluation).ok());
  EXPECT_TRUE(job.Commit(worker, evaluation).ok());
  EXPECT_TRUE(absl::IsAborted(job.Commit(worker, evaluation, /*variant=*/1)));
}

TEST(Commit, HappensOnceHoweverOftenTheTaskWasExecuted) {
  TestJob job;
  TestWorker a{"workers/a", "a-1"};
  TestWorker b{"workers/b", "b-1"};
  const auto slow = job.Lease(a);
  job.Expire("prepare");
  const auto fast = job.Lease(b);
  EXPECT_TRUE(absl::IsAborted(job.Commit(a, *slow))) << "somebody else took the task over";
  ASSERT_TRUE(job.Commit(b, *fast).ok());
  EXPECT_TRUE(absl::IsAborted(job.Commit(a, *slow)));
  EXPECT_EQ(job.task("prepare").task.result().attempt(), 2);
}

TEST(Commit, UnderAnExpiredLeaseThatNobodyTookIsTaken) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  job.Expire("prepare");
  EXPECT_EQ(job.last_attempt("prepare").outcome(), v1::ATTEMPT_OUTCOME_EXPIRED);
  EXPECT_TRUE(job.Commit(worker, *prepare).ok());
  EXPECT_EQ(job.last_attempt("prepare").outcome(), v1::ATTEMPT_OUTCOME_COMMITTED);
  EXPECT_EQ(job.last_attempt("prepare").reason(), v1::FAILURE_REASON_UNSPECIFIED);
}

TEST(Commit, OfAProcessThatDoesNotHoldTheLeaseIsAborted) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  EXPECT_TRUE(absl::IsAborted(job.Commit({"workers/b", "a-1"}, *prepare)));
  EXPECT_TRUE(absl::IsAborted(job.Commit({"workers/a", "a-2"}, *prepare)));
  v1::Assignment forged = *prepare;
  forged.mutable_lease()->set_attempt(2);
  EXPECT_TRUE(absl::IsAborted(job.Commit(worker, forged)));
  EXPECT_EQ(job.task_state("prepare"), v1::TASK_STATE_LEASED);
}

TEST(Commit, AfterACancelIsRefusedAndEndsTheLease) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  ASSERT_TRUE(job.Cancel().ok());
  EXPECT_TRUE(absl::IsAborted(job.Commit(worker, *prepare)));
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(job.task_state("prepare"), v1::TASK_STATE_CANCELLED);
}

TEST(Commit, ThatDoesNotFitTheTaskIsInvalidAndTheLeaseLivesOn) {
  TestJob job;
  TestWorker worker;
  const auto block = job.WorkUpTo(worker, "prune-00001");
  v1::TaskResult other = TestResult(block);
  other.mutable_block()->set_block(0);
  const auto decision =
      OnCommit(job.rows, "prune-00001", HolderOf(worker, block), other, /*leaving=*/false, job.context);
  EXPECT_TRUE(absl::IsInvalidArgument(decision.reply.status()));
  EXPECT_TRUE(decision.changes.empty());
}

}  // namespace
}  // namespace besa::server
