#include "server/scheduler/housekeeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/coordinator_testing.h"

namespace besa::server {
namespace {

using testing::CoordinatorBench;
using testing::TestWorker;

const TestWorker kA{"workers/a", "a-1"};

class HousekeeperTest : public ::testing::Test {
 protected:
  HousekeeperTest() : term_(bench_.options.lease_term) {
    EXPECT_TRUE(bench_.Register(kA).ok());
    name_ = bench_.CreateJob(2);
    prepare_ = bench_.Lease(kA, "r1")->assignment();
    Tick();
  }

  void Tick() { ASSERT_TRUE(bench_.housekeeper->Tick().ok()); }
  void Pass(absl::Duration duration) {
    bench_.clock.Advance(duration);
    Tick();
  }
  v1::TaskState Prepare() { return bench_.coordinator->GetTask(name_ + "/tasks/prepare")->state(); }
  v1::WorkerState WorkerState() { return bench_.coordinator->ListWorkers({})->workers(0).state(); }

  CoordinatorBench bench_;
  const absl::Duration term_;
  std::string name_;
  v1::Assignment prepare_;
};

TEST_F(HousekeeperTest, ALeaseExpiresWhenItsBeatStoodStillForATerm) {
  Pass(term_ - absl::Seconds(1));
  EXPECT_EQ(Prepare(), v1::TASK_STATE_LEASED);
  Pass(absl::Seconds(1));
  EXPECT_EQ(Prepare(), v1::TASK_STATE_PENDING);
}

TEST_F(HousekeeperTest, ALeaseThatBeatsLives) {
  for (int i = 0; i < 10; ++i) {
    bench_.clock.Advance(term_ / 2);
    ASSERT_TRUE(bench_.Heartbeat(kA, prepare_, i).ok());
    Tick();
  }
  EXPECT_EQ(Prepare(), v1::TASK_STATE_LEASED);
}

TEST_F(HousekeeperTest, AJumpOfTheWallClockExpiresNothing) {
  bench_.clock.JumpWallClock(absl::Hours(24));
  Tick();
  bench_.clock.JumpWallClock(-absl::Hours(48));
  Tick();
  EXPECT_EQ(Prepare(), v1::TASK_STATE_LEASED);
  // And a worker that is alive stays so although the wall clock went back.
  for (int i = 0; i < 4; ++i) {
    bench_.clock.Advance(term_ / 2);
    ASSERT_TRUE(bench_.Heartbeat(kA, prepare_, i).ok());
    Tick();
  }
  EXPECT_EQ(Prepare(), v1::TASK_STATE_LEASED);
}

TEST_F(HousekeeperTest, ARestartedCoordinatorGrantsEveryLeaseAFreshTerm) {
  Pass(term_ - absl::Seconds(1));
  bench_.clock.Advance(absl::Hours(1));  // it was down
  bench_.RestartCoordinator();
  Tick();
  EXPECT_EQ(Prepare(), v1::TASK_STATE_LEASED);
  Pass(term_ - absl::Seconds(1));
  EXPECT_EQ(Prepare(), v1::TASK_STATE_LEASED);
  Pass(absl::Seconds(1));
  EXPECT_EQ(Prepare(), v1::TASK_STATE_PENDING);
}

TEST_F(HousekeeperTest, AWorkerThatPausedBeyondItsTermMayGoOnIfNobodyTookTheTask) {
  Pass(2 * term_);
  EXPECT_EQ(Prepare(), v1::TASK_STATE_PENDING);
  ASSERT_TRUE(bench_.Heartbeat(kA, prepare_, 1).ok());
  EXPECT_EQ(Prepare(), v1::TASK_STATE_LEASED);
  Tick();
  Pass(term_ - absl::Seconds(1));
  EXPECT_EQ(Prepare(), v1::TASK_STATE_LEASED) << "a fresh term";
}

TEST_F(HousekeeperTest, AJobThatIsCancelledEndsThoughItsWorkerIsGone) {
  ASSERT_TRUE(bench_.coordinator->CancelJob(name_).ok());
  EXPECT_EQ(bench_.coordinator->GetJob(name_)->state(), v1::JOB_STATE_CANCELLING);
  Pass(term_);
  EXPECT_EQ(bench_.coordinator->GetJob(name_)->state(), v1::JOB_STATE_CANCELLED);
}

TEST_F(HousekeeperTest, AWorkerThatIsSilentForATermIsLostUntilItIsHeardAgain) {
  EXPECT_EQ(WorkerState(), v1::WORKER_STATE_BUSY);
  Pass(term_);
  EXPECT_EQ(WorkerState(), v1::WORKER_STATE_LOST);
  EXPECT_EQ(bench_.coordinator->GetTask(name_ + "/tasks/prepare")->pending_reason(), "no workers are connected");
  TestWorker a = kA;
  ASSERT_TRUE(bench_.Lease(a, "r2").ok());
  EXPECT_EQ(WorkerState(), v1::WORKER_STATE_BUSY);
}

TEST_F(HousekeeperTest, AWorkerThatOnlyAsksForWorkIsNotLost) {
  ASSERT_TRUE(bench_.coordinator->CancelJob(name_).ok());
  for (int i = 0; i < 6; ++i) {
    bench_.clock.Advance(term_ / 3);
    ASSERT_TRUE(bench_.Lease(kA, "idle-" + std::to_string(i)).ok());
    Tick();
    EXPECT_EQ(WorkerState(), v1::WORKER_STATE_IDLE);
  }
}

TEST_F(HousekeeperTest, AClaimToPublishExpiresWhenItsBeatStoodStillForATerm) {
  ASSERT_TRUE(bench_.Commit(kA, prepare_).ok());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(bench_.Commit(kA, bench_.Lease(kA, "more-" + std::to_string(i))->assignment()).ok());
  }
  const auto claim = *bench_.coordinator->ClaimPublishing("p1");
  ASSERT_TRUE(claim.has_value());
  Tick();
  Pass(term_ - absl::Seconds(1));
  ASSERT_TRUE(bench_.coordinator->BeatPublishing(name_, claim->claim).ok());
  Tick();
  Pass(term_ - absl::Seconds(1));
  EXPECT_TRUE(bench_.coordinator->BeatPublishing(name_, claim->claim).ok());
  Tick();
  Pass(term_);
  EXPECT_TRUE(absl::IsAborted(bench_.coordinator->BeatPublishing(name_, claim->claim)));
}

TEST_F(HousekeeperTest, ACallOfACompletionHookThatNeverCameBackIsMadeAgain) {
  NewJob request = testing::TestRequest(2, /*evaluation=*/false);
  request.output_key = "/out/hooked";
  request.completion_hook = "https://hooks.example.com/besa";
  const std::string hooked = bench_.coordinator->CreateJob(request)->name();
  ASSERT_TRUE(bench_.coordinator->CancelJob(hooked).ok());
  const auto lost = *bench_.coordinator->ClaimHook("c1");
  ASSERT_TRUE(lost.has_value());
  Tick();
  Pass(term_ - absl::Seconds(1));
  EXPECT_FALSE(bench_.coordinator->ClaimHook("c1")->has_value());
  Pass(absl::Seconds(1));
  const auto again = *bench_.coordinator->ClaimHook("c1");
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(absl::IsAborted(bench_.coordinator->FinishHook(hooked, lost->claim)));
  EXPECT_TRUE(bench_.coordinator->FinishHook(hooked, again->claim).ok());
  const v1::CompletionHook hook = bench_.coordinator->GetJob(hooked)->completion_hook();
  EXPECT_EQ(hook.state(), v1::COMPLETION_HOOK_STATE_DELIVERED);
  EXPECT_EQ(hook.attempts(), 2);
}

TEST_F(HousekeeperTest, AWaitingJobSaysWhyAndWatchersHearIt) {
  Pass(term_);             // the worker is lost, the lease expired
  Pass(absl::Seconds(5));  // reasons are looked at every few seconds
  const v1::Job job = *bench_.coordinator->GetJob(name_);
  EXPECT_EQ(job.pending_reason(), "no workers are connected");
  const WatchPage last = *bench_.coordinator->EventsSince(name_, {.version = job.version() - 1});
  EXPECT_EQ(last.messages.back().job().pending_reason(), "no workers are connected");
}

TEST_F(HousekeeperTest, ALeaseThatBeatsWithoutProgressExpiresForGood) {
  const absl::Duration progress_term = bench_.options.progress_term;
  for (absl::Duration passed; passed < progress_term + term_; passed += term_ / 2) {
    bench_.clock.Advance(term_ / 2);
    (void)bench_.Heartbeat(kA, prepare_, /*step=*/7);
    Tick();
  }
  const v1::Task task = *bench_.coordinator->GetTask(name_ + "/tasks/prepare");
  EXPECT_EQ(task.state(), v1::TASK_STATE_PENDING);
  EXPECT_EQ(task.attempts(0).reason(), v1::FAILURE_REASON_NO_PROGRESS);
  EXPECT_NE(task.attempts(0).message().find("stage train, step 7"), std::string::npos) << task.attempts(0).message();
  EXPECT_TRUE(absl::IsAborted(bench_.Heartbeat(kA, prepare_, 8).status())) << "its beats do not bring it back";
}

TEST_F(HousekeeperTest, ALeaseThatGetsOnSlowlyLives) {
  const absl::Duration progress_term = bench_.options.progress_term;
  int64_t step = 0;
  for (absl::Duration passed; passed < 4 * progress_term; passed += term_ / 2) {
    bench_.clock.Advance(term_ / 2);
    if (passed > step * progress_term / 2) ++step;
    ASSERT_TRUE(bench_.Heartbeat(kA, prepare_, step).ok());
    Tick();
  }
  EXPECT_EQ(Prepare(), v1::TASK_STATE_LEASED);
}

TEST_F(HousekeeperTest, AJobThatIsNotDoneByItsDeadlineFails) {
  NewJob request = testing::TestRequest(2, /*evaluation=*/false);
  request.output_key = "/out/limited";
  request.time_limit = absl::Hours(1);
  const std::string limited = bench_.coordinator->CreateJob(request)->name();
  Pass(absl::Minutes(59));
  EXPECT_NE(bench_.coordinator->GetJob(limited)->state(), v1::JOB_STATE_FAILED);
  Pass(absl::Minutes(1));
  const v1::Job job = *bench_.coordinator->GetJob(limited);
  EXPECT_EQ(job.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(job.error().reason(), v1::FAILURE_REASON_DEADLINE);
  EXPECT_EQ(job.error().message(),
            "the job was not ready to be published within its time_limit of 1h: 0 of 2 blocks were");
  // A retry has the whole time again.
  ASSERT_TRUE(bench_.coordinator->RetryJob(limited).ok());
  Pass(absl::Minutes(59));
  EXPECT_NE(bench_.coordinator->GetJob(limited)->state(), v1::JOB_STATE_FAILED);
}

}  // namespace
}  // namespace besa::server
