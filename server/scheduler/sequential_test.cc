// Schedule `sequential`: blocks are committed one after the other, best by one worker, on those committed before.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/pending_reason.h"
#include "server/scheduler/plan.h"
#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using ::testing::ElementsAre;
using testing::TestJob;
using testing::TestWorker;

TestJob SequentialJob(int blocks) { return TestJob(blocks, /*evaluation=*/false, v1::SCHEDULE_SEQUENTIAL); }

TEST(Sequential, ABlockWaitsForPrepareAndTheBlocksBefore) {
  TestJob job = SequentialJob(3);
  TestWorker worker;
  EXPECT_EQ(TaskPendingReason(job.rows, job.task("prune-00002"), {1, 1}), "waits for 3 tasks");
  ASSERT_TRUE(job.Commit(worker, *job.Lease(worker)).ok());
  EXPECT_EQ(job.task_state("prune-00000"), v1::TASK_STATE_PENDING);
  EXPECT_EQ(job.task_state("prune-00001"), v1::TASK_STATE_BLOCKED);
  EXPECT_EQ(UnmetDependencies(job.rows, job.task("prune-00002")), 2);
  EXPECT_EQ(job.task_state("passthrough"), v1::TASK_STATE_PENDING) << "the rest waits for prepare only";
}

TEST(Sequential, OneWorkerTakesTheBlocksInOrder) {
  TestJob job = SequentialJob(3);
  TestWorker worker;
  EXPECT_THAT(job.WorkOff(worker), ElementsAre("prepare", "passthrough", "prune-00000", "prune-00001", "prune-00002"));
  EXPECT_EQ(job.state(), v1::JOB_STATE_PUBLISHING);
}

TEST(Sequential, TheCommitOfABlockLeasesTheNextToItsAuthor) {
  TestJob job = SequentialJob(2);
  TestWorker a{"workers/a", "a-1"};
  TestWorker b{"workers/b", "b-1"};
  const auto first = job.WorkUpTo(a, "prune-00000");
  ASSERT_TRUE(job.Commit(a, first).ok());
  // However fast another one is that waits for work.
  EXPECT_FALSE(job.Lease(b).has_value());
  const auto next = job.Lease(a);
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->block(), 1);
  EXPECT_EQ(job.task("prune-00001").task.attempts_size(), 1);
}

TEST(Sequential, RepeatingTheCommitLeasesNothingMore) {
  TestJob job = SequentialJob(3);
  TestWorker worker;
  const auto first = job.WorkUpTo(worker, "prune-00000");
  ASSERT_TRUE(job.Commit(worker, first).ok());
  ASSERT_TRUE(job.Commit(worker, first).ok());
  EXPECT_EQ(job.task("prune-00001").task.attempts_size(), 1);
  EXPECT_EQ(job.task_state("prune-00002"), v1::TASK_STATE_BLOCKED);
}

TEST(Sequential, AWorkerThatLeavesIsNotGivenTheNextBlock) {
  TestJob job = SequentialJob(2);
  TestWorker a{"workers/a", "a-1"};
  TestWorker b{"workers/b", "b-1"};
  const auto first = job.WorkUpTo(a, "prune-00000");
  a.leaving = true;
  ASSERT_TRUE(job.Commit(a, first).ok());
  EXPECT_EQ(job.task_state("prune-00001"), v1::TASK_STATE_PENDING);
  EXPECT_EQ(job.Lease(b)->block(), 1);
}

TEST(Sequential, AnotherWorkerTakesOverWhenTheAuthorDies) {
  TestJob job = SequentialJob(3);
  TestWorker a{"workers/a", "a-1"};
  TestWorker b{"workers/b", "b-1"};
  ASSERT_TRUE(job.Commit(a, job.WorkUpTo(a, "prune-00000")).ok());
  job.Expire("prune-00001");  // it died before it asked
  const auto taken_over = job.Lease(b);
  ASSERT_TRUE(taken_over.has_value());
  EXPECT_EQ(taken_over->block(), 1);
  ASSERT_TRUE(job.Commit(b, *taken_over).ok());
  EXPECT_EQ(job.Lease(b)->block(), 2) << "which is the author now";
}

TEST(Sequential, TheAssignmentNamesTheCommittedBlocksBefore) {
  TestJob job = SequentialJob(3);
  TestWorker worker;
  ASSERT_TRUE(job.Fail(worker, job.WorkUpTo(worker, "prune-00000"), v1::FAILURE_REASON_INTERNAL).ok());
  const auto first = job.Lease(worker);
  EXPECT_TRUE(first->committed_blocks().empty());
  ASSERT_TRUE(job.Commit(worker, *first).ok());
  ASSERT_TRUE(job.Commit(worker, *job.Lease(worker)).ok());
  const auto last = job.Lease(worker);
  ASSERT_EQ(last->committed_blocks_size(), 2);
  EXPECT_EQ(last->committed_blocks(0).block(), 0);
  EXPECT_EQ(last->committed_blocks(0).attempt_uri(), "/workspace/j1/attempts/prune-00000-2/");
  EXPECT_EQ(last->committed_blocks(1).files(0).sha256(), job.task("prune-00001").task.result().files(0).sha256());
}

TEST(Sequential, OfAnIndependentJobTheAssignmentNamesNone) {
  TestJob job(2);
  TestWorker worker;
  EXPECT_TRUE(job.WorkUpTo(worker, "prune-00001").committed_blocks().empty());
}

TEST(Sequential, ACancelledJobLeasesNothingMore) {
  TestJob job = SequentialJob(2);
  TestWorker worker;
  const auto first = job.WorkUpTo(worker, "prune-00000");
  ASSERT_TRUE(job.Cancel().ok());
  EXPECT_TRUE(absl::IsAborted(job.Commit(worker, first)));
  EXPECT_EQ(job.task_state("prune-00001"), v1::TASK_STATE_CANCELLED);
}

TEST(Sequential, ARetryGoesOnBehindTheCommittedBlocks) {
  TestJob job = SequentialJob(3);
  TestWorker worker;
  ASSERT_TRUE(job.Commit(worker, job.WorkUpTo(worker, "prune-00000")).ok());
  ASSERT_TRUE(job.Fail(worker, *job.Lease(worker), v1::FAILURE_REASON_BAD_NUMBERS).ok());
  ASSERT_EQ(job.state(), v1::JOB_STATE_FAILED);
  ASSERT_TRUE(job.Retry().ok());
  EXPECT_EQ(job.task_state("prune-00000"), v1::TASK_STATE_COMMITTED);
  EXPECT_EQ(job.task_state("prune-00001"), v1::TASK_STATE_PENDING);
  EXPECT_EQ(job.task_state("prune-00002"), v1::TASK_STATE_BLOCKED);
  const auto again = job.Lease(worker);
  EXPECT_EQ(again->block(), 1);
  EXPECT_EQ(again->committed_blocks_size(), 1);
}

}  // namespace
}  // namespace besa::server
