#include "server/scheduler/heartbeat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/attempts.h"
#include "server/scheduler/present.h"
#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using testing::TestJob;
using testing::TestWorker;

v1::TaskProgress Step(int64_t step) {
  v1::TaskProgress progress;
  progress.set_stage("train");
  progress.set_step(step);
  return progress;
}

TEST(Heartbeat, CountsTheBeatUpAndDoesNotAdvanceTheVersion) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  const int64_t version = job.job().version();
  const int64_t beat = job.task("prepare").lease->beat;
  job.context.now += absl::Seconds(5);
  EXPECT_FALSE(*job.Beat(worker, *prepare, Step(7)));
  EXPECT_GT(job.task("prepare").lease->beat, beat);
  EXPECT_EQ(job.job().version(), version);
  EXPECT_EQ(ShowTask(job.rows, job.task("prepare"), job.context).progress().step(), 7);
}

TEST(Heartbeat, ProgressIsStoredAtMostOnceASecond) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  job.context.now += absl::Seconds(1);
  ASSERT_TRUE(job.Beat(worker, *prepare, Step(1)).ok());
  job.context.now += absl::Milliseconds(900);
  ASSERT_TRUE(job.Beat(worker, *prepare, Step(2)).ok());
  EXPECT_EQ(job.task("prepare").lease->progress.step(), 1);
  job.context.now += absl::Milliseconds(100);
  ASSERT_TRUE(job.Beat(worker, *prepare, Step(3)).ok());
  EXPECT_EQ(job.task("prepare").lease->progress.step(), 3);
}

TEST(Heartbeat, AWallClockThatWasSetBackDoesNotSilenceIt) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  const int64_t beat = job.task("prepare").lease->beat;
  job.context.now -= absl::Hours(5);
  ASSERT_TRUE(job.Beat(worker, *prepare).ok());
  EXPECT_GT(job.task("prepare").lease->beat, beat);
}

TEST(Heartbeat, RenewsAnExpiredLeaseThatNobodyTook) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  job.Expire("prepare");
  EXPECT_EQ(job.task_state("prepare"), v1::TASK_STATE_PENDING);
  ASSERT_TRUE(job.Beat(worker, *prepare, Step(9)).ok());
  EXPECT_EQ(job.task_state("prepare"), v1::TASK_STATE_LEASED);
  EXPECT_EQ(job.last_attempt("prepare").outcome(), v1::ATTEMPT_OUTCOME_UNSPECIFIED) << "it runs again";
  EXPECT_EQ(CountedAttempts(job.task("prepare").task, 1), 0);
  EXPECT_EQ(job.task("prepare").lease->progress.step(), 9);
  EXPECT_TRUE(job.Commit(worker, *prepare).ok());
}

TEST(Heartbeat, OfALeaseThatSomebodyElseTookIsAborted) {
  TestJob job;
  TestWorker a{"workers/a", "a-1"};
  TestWorker b{"workers/b", "b-1"};
  const auto lost = job.Lease(a);
  job.Expire("prepare");
  job.Lease(b);
  EXPECT_TRUE(absl::IsAborted(job.Beat(a, *lost).status()));
}

TEST(Heartbeat, SaysStopInACancelledJobAndNoLongerKeepsTheLease) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  ASSERT_TRUE(job.Cancel().ok());
  const int64_t beat = job.task("prepare").lease->beat;
  job.context.now += absl::Seconds(5);
  EXPECT_TRUE(*job.Beat(worker, *prepare));
  EXPECT_EQ(job.task("prepare").lease->beat, beat) << "a worker that will not stop must not keep the job alive";
  job.Expire("prepare");
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLED);
}

TEST(LeaseExpiry, SendsTheTaskBackAndCounts) {
  TestJob job;
  TestWorker worker;
  job.Lease(worker);
  job.Expire("prepare");
  EXPECT_EQ(job.task_state("prepare"), v1::TASK_STATE_PENDING);
  EXPECT_EQ(job.last_attempt("prepare").outcome(), v1::ATTEMPT_OUTCOME_EXPIRED);
  EXPECT_EQ(job.last_attempt("prepare").reason(), v1::FAILURE_REASON_LOST);
  EXPECT_EQ(job.last_attempt("prepare").message(), "workers/a sent no heartbeat for 30s");
}

TEST(LeaseExpiry, DoesNothingIfTheLeaseHasBeatenSince) {
  TestJob job;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  const LeaseRow seen = *job.task("prepare").lease;
  job.context.now += absl::Seconds(5);
  ASSERT_TRUE(job.Beat(worker, *prepare).ok());
  EXPECT_TRUE(OnLeaseExpired(job.rows, "prepare", seen.id, seen.beat, job.context).changes.empty());
}

TEST(LeaseExpiry, OfTheLastAllowedAttemptFailsTheJobForGood) {
  TestJob job;
  job.context.options.max_attempts = 1;
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  job.Expire("prepare");
  EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(job.job().error().reason(), v1::FAILURE_REASON_LOST);
  EXPECT_TRUE(absl::IsAborted(job.Beat(worker, *prepare).status())) << "nothing to come back to";
}

}  // namespace
}  // namespace besa::server
