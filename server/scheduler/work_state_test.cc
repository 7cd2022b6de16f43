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

  WorkState Read() { return ReadWorkState(job.rows, kBlockMemory, job.context); }

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
  EXPECT_THAT(ReadWorkState(job.rows, kBlockMemory - 1, job.context).free,
              ElementsAre(false, false, false, false, false, false));
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
