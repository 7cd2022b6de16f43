#include "server/scheduler/leasing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using ::testing::ElementsAre;
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

TEST(Lease, OfAnEarlierIncarnationEndsAtOnceAndCountsAsCrashed) {
  TestJob job;
  TestWorker worker;
  const auto granted = job.Lease(worker);
  const TestWorker before = worker;
  job.Restart(worker, "a-2");
  EXPECT_EQ(job.task_state("prepare"), v1::TASK_STATE_PENDING);
  EXPECT_EQ(job.last_attempt("prepare").outcome(), v1::ATTEMPT_OUTCOME_EXPIRED);
  EXPECT_EQ(job.last_attempt("prepare").reason(), v1::FAILURE_REASON_CRASHED);
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

std::vector<int32_t> BlocksOf(const std::vector<v1::Assignment>& assignments) {
  std::vector<int32_t> blocks;
  for (const v1::Assignment& assignment : assignments) {
    EXPECT_EQ(assignment.kind(), v1::TASK_KIND_PRUNE);
    blocks.push_back(assignment.block());
  }
  return blocks;
}

TEST(Lease, AWorkerThatCanTakeSeveralBlocksGetsThoseBehindEachOther) {
  TestJob job(5, /*evaluation=*/false);
  TestWorker group{.most_blocks = 2};
  ASSERT_TRUE(job.Commit(group, job.WorkUpTo(group, "passthrough")).ok());  // prepare and passthrough, each alone
  const auto first = job.LeaseAll(group);
  EXPECT_THAT(BlocksOf(first), ElementsAre(0, 1));
  EXPECT_NE(first[0].lease().id(), first[1].lease().id());
  EXPECT_NE(first[0].attempt_uri(), first[1].attempt_uri());
  EXPECT_THAT(BlocksOf(job.LeaseAll(group, "", 2)), ElementsAre(2, 3));
  EXPECT_THAT(BlocksOf(job.LeaseAll(group, "", 4)), ElementsAre(4)) << "as many as are left";
}

TEST(Lease, OfSeveralBlocksEachIsCommittedOrFailsByItself) {
  TestJob job(2, /*evaluation=*/false);
  TestWorker group{.most_blocks = 2};
  ASSERT_TRUE(job.Commit(group, job.WorkUpTo(group, "passthrough")).ok());
  const auto blocks = job.LeaseAll(group);
  ASSERT_EQ(blocks.size(), 2u);
  ASSERT_TRUE(job.Commit(group, blocks[1]).ok());
  ASSERT_TRUE(job.Fail(group, blocks[0], v1::FAILURE_REASON_CRASHED).ok());
  EXPECT_EQ(job.task_state("prune-00001"), v1::TASK_STATE_COMMITTED);
  EXPECT_EQ(job.task_state("prune-00000"), v1::TASK_STATE_PENDING);
  EXPECT_THAT(BlocksOf(job.LeaseAll(group)), ElementsAre(0));
}

TEST(Lease, SeveralBlocksAreHandedOutAgainTogetherWhenTheAnswerWasLost) {
  TestJob job(4, /*evaluation=*/false);
  TestWorker group{.most_blocks = 3};
  ASSERT_TRUE(job.Commit(group, job.WorkUpTo(group, "passthrough")).ok());
  const auto granted = job.LeaseAll(group, "request-7");
  ASSERT_THAT(BlocksOf(granted), ElementsAre(0, 1, 2));
  const auto repeated = job.LeaseAll(group, "request-7");
  EXPECT_THAT(BlocksOf(repeated), ElementsAre(0, 1, 2));
  EXPECT_EQ(repeated[2].lease().id(), granted[2].lease().id());
  EXPECT_EQ(job.task("prune-00002").task.attempts_size(), 1);
  // A process that takes one at a time gets one after the other.
  group.held.clear();
  group.most_blocks = 1;
  EXPECT_THAT(BlocksOf(job.LeaseAll(group)), ElementsAre(0));
  EXPECT_THAT(BlocksOf(job.LeaseAll(group)), ElementsAre(1));
}

TEST(Lease, SeveralBlocksDoNotKeepOtherWorkersIdle) {
  TestJob job(4, /*evaluation=*/false);
  TestWorker group{.most_blocks = 4};
  ASSERT_TRUE(job.Commit(group, job.WorkUpTo(group, "passthrough")).ok());
  job.context.fleet.workers = 2;
  EXPECT_THAT(BlocksOf(job.LeaseAll(group)), ElementsAre(0, 1)) << "the other one gets two as well";
}

TEST(Lease, InTheSequentialScheduleThereIsOneBlockAtATime) {
  TestJob job(4, /*evaluation=*/false, v1::SCHEDULE_SEQUENTIAL);
  TestWorker group{.most_blocks = 2};
  ASSERT_TRUE(job.Commit(group, job.WorkUpTo(group, "passthrough")).ok());
  EXPECT_THAT(BlocksOf(job.LeaseAll(group)), ElementsAre(0));
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

TEST(Lease, IsNotGrantedToAWorkerThatDrainsButALostAnswerIsGivenAgain) {
  TestJob job;
  const auto ask = [&](const std::string& request, bool draining) {
    auto decision = OnLeaseAsked(
        job.rows, {"workers/a", "a-1", request, {}, {int64_t{16} << 30, std::nullopt}, "cpu", draining}, job.context);
    job.Apply(decision.changes);
    return decision.reply->at(0);
  };
  {
    auto refused = OnLeaseAsked(
        job.rows, {"workers/a", "a-1", "r0", {}, {int64_t{16} << 30, std::nullopt}, "cpu", true}, job.context);
    EXPECT_TRUE(refused.reply->empty());
    EXPECT_TRUE(refused.changes.empty());
  }
  const v1::Assignment granted = ask("r1", /*draining=*/false);
  EXPECT_EQ(ask("r1", /*draining=*/true).lease().id(), granted.lease().id()) << "it runs already";
}

TEST(Lease, OfAttemptsOnAGpuAddsUpToTheJobsGpuSeconds) {
  TestJob job(1, /*evaluation=*/false);
  const auto lease = [&](const char* worker, const char* device) {
    auto decision = OnLeaseAsked(
        job.rows, {worker, "i1", absl::StrCat(worker, job.job().version()), {}, {int64_t{16} << 30, {}}, device},
        job.context);
    job.Apply(decision.changes);
    return decision.reply->at(0);
  };
  const TestWorker gpu{"workers/gpu", "i1"};
  const TestWorker cpu{"workers/cpu", "i1"};
  const v1::Assignment first = lease("workers/gpu", "cuda:0");
  EXPECT_EQ(job.last_attempt("prepare").device(), "cuda:0");
  job.context.now += absl::Seconds(10);
  ASSERT_TRUE(job.Fail(gpu, first, v1::FAILURE_REASON_STORAGE).ok());
  const v1::Assignment second = lease("workers/cpu", "cpu");
  job.context.now += absl::Seconds(5);
  ASSERT_TRUE(job.Commit(cpu, second).ok());
  EXPECT_EQ(job.job().result().gpu_seconds(), 10) << "an attempt that failed held its GPU, too";
  EXPECT_EQ(job.job().result().device_seconds(), 15);
}

}  // namespace
}  // namespace besa::server
