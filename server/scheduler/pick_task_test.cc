#include "server/scheduler/pick_task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using ::testing::ElementsAre;
using testing::kBlockMemory;
using testing::TestJob;
using testing::TestWorker;

TEST(PickTask, BlocksComeBeforeTheEvaluationsAndBehindThePassthrough) {
  TestJob job(2);
  TestWorker worker;
  EXPECT_THAT(job.WorkOff(worker),
              ElementsAre("prepare", "passthrough", "prune-00000", "prune-00001", "evaluate-dense", "evaluate-pruned"));
}

TEST(PickTask, TheLowestBlockAtOrAfterTheCursorComesFirst) {
  TestJob job(5);
  TestWorker a{"workers/a", "a-1"};
  TestWorker b{"workers/b", "b-1"};
  job.WorkUpTo(a, "prune-00000");
  EXPECT_EQ(job.Lease(b, "", 2)->block(), 2);
  EXPECT_EQ(job.Lease(b, "", 2)->block(), 3);
  EXPECT_EQ(job.Lease(a, "", 1)->block(), 1);
}

TEST(PickTask, WhatLiesBeforeTheCursorIsTakenWhenNothingElseIsLeft) {
  TestJob job(2);
  TestWorker a{"workers/a", "a-1"};
  job.WorkUpTo(a, "prune-00000");
  EXPECT_EQ(job.Lease(a)->block(), 1);
  job.Restart(a, "a-2");  // both blocks are free again
  EXPECT_EQ(job.Lease(a, "", 1)->block(), 1);
  EXPECT_EQ(job.Lease(a, "", 2)->block(), 0);
}

TEST(PickTask, AWorkerGetsNothingThatItsMemoryCannotHold) {
  TestJob job(1);
  TestWorker big;
  ASSERT_TRUE(job.Commit(big, *job.Lease(big)).ok());
  EXPECT_EQ(job.task("prune-00000").task.memory_bytes(), kBlockMemory);
  EXPECT_EQ(job.job().model().block_memory_bytes(), kBlockMemory);

  TestWorker small{"workers/small", "s-1", kBlockMemory - 1};
  EXPECT_EQ(job.Lease(small)->kind(), v1::TASK_KIND_PASSTHROUGH);
  EXPECT_EQ(job.Lease(small)->kind(), v1::TASK_KIND_EVALUATE_DENSE);
  EXPECT_FALSE(job.Lease(small).has_value());
  TestWorker exact{"workers/exact", "e-1", kBlockMemory};
  EXPECT_EQ(job.Lease(exact)->kind(), v1::TASK_KIND_PRUNE);
}

}  // namespace
}  // namespace besa::server
