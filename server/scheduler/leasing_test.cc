#include "server/scheduler/leasing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using testing::TestJob;
using testing::TestWorker;

TEST(Lease, IsHandedOutAgainWhenTheAnswerWasLost) {
  TestJob job;
  TestWorker worker;
  const auto granted = job.Lease(worker, "request-7");
  const auto repeated = job.Lease(worker, "request-7");
  ASSERT_TRUE(repeated.has_value());
  EXPECT_EQ(repeated->SerializeAsString(), granted->SerializeAsString());
  EXPECT_EQ(job.task("prepare").task.attempts_size(), 1) << "not counted as an attempt";
}

TEST(Lease, IsHandedOutAgainWhenTheWorkerDoesNotListIt) {
  TestJob job;
  TestWorker worker;
  const auto granted = job.Lease(worker, "request-7");
  worker.held.clear();  // it gave up waiting for the answer and asks anew
  const auto again = job.Lease(worker, "request-8");
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->lease().id(), granted->lease().id());
  // The repetition of the newer request finds it, too.
  EXPECT_EQ(job.Lease(worker, "request-8")->lease().id(), granted->lease().id());
  EXPECT_EQ(job.task("prepare").task.attempts_size(), 1);
}

TEST(Lease, ThatTheWorkerHoldsIsNotHandedOutAgain) {
  TestJob job(2);
  TestWorker worker;
  job.WorkUpTo(worker, "prune-00000");
  EXPECT_EQ(job.Lease(worker)->block(), 1);
}

TEST(Lease, ThatWasNeverAcknowledgedEndsWhenTheJobIsCancelled) {
  TestJob job;
  TestWorker worker;
  job.Lease(worker);
  worker.held.clear();
  ASSERT_TRUE(job.Cancel().ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLING);
  EXPECT_FALSE(job.Lease(worker).has_value());
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLED);
}

TEST(Lease, OfAnEarlierIncarnationEndsAtOnceAndCountsAsLost) {
  TestJob job;
  TestWorker worker;
  const auto granted = job.Lease(worker);
  const TestWorker before = worker;
  job.Restart(worker, "a-2");
  EXPECT_EQ(job.task_state("prepare"), v1::TASK_STATE_PENDING);
  EXPECT_EQ(job.last_attempt("prepare").outcome(), v1::ATTEMPT_OUTCOME_EXPIRED);
  EXPECT_EQ(job.last_attempt("prepare").reason(), v1::FAILURE_REASON_LOST);
  EXPECT_TRUE(absl::IsAborted(job.Commit(before, *granted)));
  EXPECT_EQ(job.Lease(worker)->lease().attempt(), 2);
}

TEST(Lease, OfAnotherWorkerIsUntouchedByARestart) {
  TestJob job(2);
  TestWorker a{"workers/a", "a-1"};
  TestWorker b{"workers/b", "b-1"};
  const auto held = job.WorkUpTo(a, "prune-00000");
  job.Restart(b, "b-2");
  EXPECT_TRUE(job.Commit(a, held).ok());
}

TEST(Lease, TwoWorkersWorkOnOneJobAtOnce) {
  TestJob job(2);
  TestWorker a{"workers/a", "a-1"};
  TestWorker b{"workers/b", "b-1"};
  EXPECT_EQ(job.WorkUpTo(a, "prune-00000").block(), 0);
  EXPECT_EQ(job.Lease(b)->block(), 1);
}

TEST(Lease, AttemptsHaveFoldersOfTheirOwn) {
  TestJob job;
  TestWorker worker;
  const auto first = job.Lease(worker);
  EXPECT_EQ(first->attempt_uri(), "/workspace/j1/attempts/prepare-1/");
  ASSERT_TRUE(job.Fail(worker, *first, v1::FAILURE_REASON_INTERNAL).ok());
  EXPECT_EQ(job.Lease(worker)->attempt_uri(), "/workspace/j1/attempts/prepare-2/");
  ASSERT_EQ(job.garbage.size(), 1u);
  EXPECT_EQ(job.garbage[0].uri, "/workspace/j1/attempts/prepare-1/");
  EXPECT_EQ(job.garbage[0].due, job.context.now + 2 * job.context.options.lease_term);
}

}  // namespace
}  // namespace besa::server
