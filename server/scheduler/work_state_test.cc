#include "server/scheduler/work_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using ::testing::ElementsAre;
using testing::kBlockMemory;
using testing::TestJob;
using testing::TestWorker;

class WorkStateTest : public ::testing::Test {
 protected:
  WorkStateTest() : job(6, /*evaluation=*/false) { job.context.fleet.workers = 3; }

  WorkState Read() { return ReadWorkState(job.rows, "workers/asks", kBlockMemory, job.context); }

  // TestResult says that a block took two seconds.
  TestJob job;
  TestWorker a{"workers/a", "a-1"};
  TestWorker b{"workers/b", "b-1"};
};

TEST_F(WorkStateTest, CountsInBlocksUntilOneIsCommitted) {
  job.WorkUpTo(a, "prune-00000");
  job.context.now += absl::Hours(1);
  const WorkState state = Read();
  EXPECT_THAT(state.free, ElementsAre(false, true, true, true, true, true));
  ASSERT_EQ(state.running.size(), 1u);
  EXPECT_EQ(state.running[0].block, 0);
  EXPECT_DOUBLE_EQ(state.running[0].remaining, 1.0);
  EXPECT_EQ(state.others, 1) << "of three, one is at work and one asks";
}

TEST_F(WorkStateTest, MeasuresByTheBlocksCommitted) {
  ASSERT_TRUE(job.Commit(a, job.WorkUpTo(a, "prune-00000")).ok());
  EXPECT_DOUBLE_EQ(PaceOf(job.rows, "workers/a").block, 2.0);
  EXPECT_DOUBLE_EQ(PaceOf(job.rows, "workers/never-seen").block, 2.0);
  ASSERT_EQ(job.Lease(a, "", 1)->block(), 1);
  job.context.now += absl::Milliseconds(500);
  EXPECT_DOUBLE_EQ(Read().running[0].remaining, 1.5);
}

TEST_F(WorkStateTest, OneThatTakesLongerIsSlower) {
  ASSERT_TRUE(job.Commit(a, job.WorkUpTo(a, "prune-00000")).ok());
  ASSERT_TRUE(job.Lease(a, "", 1).has_value());
  job.context.now += absl::Seconds(40);
  const WorkState state = Read();
  EXPECT_DOUBLE_EQ(state.running[0].pace.block, 40.0);
  EXPECT_DOUBLE_EQ(state.running[0].remaining, 10.0);
}

TEST_F(WorkStateTest, BlocksThatDoNotFitTheWorkerAreNotFree) {
  ASSERT_TRUE(job.Commit(a, *job.Lease(a)).ok());
  EXPECT_THAT(ReadWorkState(job.rows, "workers/asks", kBlockMemory - 1, job.context).free,
              ElementsAre(false, false, false, false, false, false));
}

// Whoever writes the results of block 0 while it prunes block 1 is one worker, at work on block 1.
TEST_F(WorkStateTest, AWorkerPrunesWhatItLeasedLast) {
  job.WorkUpTo(a, "prune-00000");
  job.context.now += absl::Seconds(2);
  ASSERT_EQ(job.Lease(a, "", 1)->block(), 1);
  const WorkState state = Read();
  ASSERT_EQ(state.running.size(), 1u);
  EXPECT_EQ(state.running[0].block, 1);
  EXPECT_DOUBLE_EQ(state.running[0].remaining, 1.0) << "it has the activations of block 1";
  EXPECT_EQ(state.others, 1);
}

// Else it would be told that somebody else is about to be done with everything: itself.
TEST_F(WorkStateTest, OneThatAsksPrunesNothing) {
  job.context.fleet.workers = 1;
  job.WorkUpTo(a, "prune-00000");
  const WorkState state = ReadWorkState(job.rows, a.name, kBlockMemory, job.context);
  EXPECT_TRUE(state.running.empty());
  EXPECT_EQ(state.others, 0);
  for (int block = 1; block < 6; ++block) ASSERT_EQ(job.Lease(a, "", block)->block(), block);
}

// It asks for a block right away.
TEST_F(WorkStateTest, AWorkerThatCopiesThePassthroughIsExpectedToPrune) {
  job.WorkUpTo(a, "passthrough");
  const WorkState state = Read();
  EXPECT_TRUE(state.running.empty());
  EXPECT_EQ(state.others, 2);
}

TEST_F(WorkStateTest, AWalkIsMeasuredFromTheBlockPrunedBefore) {
  const v1::Assignment first = job.WorkUpTo(a, "prune-00000");
  job.context.now += absl::Seconds(2);
  const v1::Assignment second = *job.Lease(a, "", 1);
  job.context.now += absl::Seconds(1);
  ASSERT_TRUE(job.Commit(a, first).ok());
  job.context.now += absl::Seconds(1);
  ASSERT_TRUE(job.Commit(a, second).ok());
  // Nobody walked, so that what was measured says nothing of walking.
  EXPECT_DOUBLE_EQ(PaceOf(job.rows, a.name).forward, Pace{}.forward * 2.0);
}

// A group of two ranks that prunes two blocks side by side.
TEST_F(WorkStateTest, BlocksThatAWorkerGotAtOnceTakeItsTimeTogether) {
  job.context.fleet.workers = 1;
  a.most_blocks = 2;
  ASSERT_TRUE(job.Commit(a, job.WorkUpTo(a, "passthrough")).ok());
  const auto first = job.LeaseAll(a);
  ASSERT_EQ(first.size(), 2u);
  EXPECT_DOUBLE_EQ(Read().running[0].remaining, 2.0) << "in blocks";
  job.context.now += absl::Seconds(2);
  for (const v1::Assignment& block : first) ASSERT_TRUE(job.Commit(a, block).ok());
  // Each was at work for two seconds.
  EXPECT_DOUBLE_EQ(PaceOf(job.rows, "workers/a").block, 1.0);
  ASSERT_EQ(job.LeaseAll(a, "", 2).size(), 2u);
  const WorkState state = Read();
  ASSERT_EQ(state.running.size(), 1u);
  EXPECT_EQ(state.running[0].block, 3);
  EXPECT_DOUBLE_EQ(state.running[0].remaining, 2.0);
}

TEST_F(WorkStateTest, AnExpiredLeaseFreesItsBlock) {
  job.WorkUpTo(a, "prune-00000");
  job.Expire("prune-00000");
  const WorkState state = Read();
  EXPECT_TRUE(state.free[0]);
  EXPECT_TRUE(state.running.empty());
}

}  // namespace
}  // namespace besa::server
