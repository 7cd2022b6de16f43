#include "server/scheduler/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using testing::TestJob;
using testing::TestWorker;

TEST(Progress, CountsBlocksTasksAndZeros) {
  TestJob job(4);
  TestWorker worker;
  job.WorkUpTo(worker, "prune-00002");
  const v1::JobProgress& progress = job.job().progress();
  EXPECT_EQ(progress.blocks_total(), 4);
  EXPECT_EQ(progress.blocks_committed(), 2);
  EXPECT_EQ(progress.tasks_total(), 8);
  EXPECT_EQ(progress.tasks_committed(), 4) << "prepare, passthrough, two blocks";
  EXPECT_DOUBLE_EQ(progress.sparsity(), 1001.0 / 2000);
}

TEST(Progress, TheRemainingTimeFollowsThePaceOfTheCommittedBlocks) {
  TestJob job(6);
  TestWorker worker;
  ASSERT_TRUE(job.Commit(worker, job.WorkUpTo(worker, "passthrough")).ok());
  EXPECT_FALSE(job.job().progress().has_eta()) << "no pace yet";
  for (int i = 0; i < 2; ++i) {
    const auto block = job.Lease(worker);
    job.context.now += absl::Seconds(30);
    ASSERT_TRUE(job.Commit(worker, *block).ok());
  }
  EXPECT_EQ(job.job().progress().eta().seconds(), 4 * 30);
  EXPECT_EQ(ComputeProgress(job.rows, job.context.now + absl::Seconds(20)).eta().seconds(), 100);
}

TEST(Progress, TwoWorkersHalveTheRemainingTime) {
  TestJob job(6);
  TestWorker a{"workers/a", "a-1"};
  TestWorker b{"workers/b", "b-1"};
  const auto first = job.WorkUpTo(a, "prune-00000");
  const auto second = job.Lease(b);
  job.context.now += absl::Seconds(30);
  ASSERT_TRUE(job.Commit(a, first).ok());
  ASSERT_TRUE(job.Commit(b, *second).ok());
  EXPECT_EQ(job.job().progress().eta().seconds(), 4 * 15);
}

TEST(Result, SumsZerosWeightsAndStagesAndCarriesPerplexities) {
  TestJob job(2);
  TestWorker worker;
  job.WorkOff(worker);
  const v1::JobResult& result = job.job().result();
  EXPECT_EQ(result.zeros(), 1001);
  EXPECT_EQ(result.weights(), 2000);
  EXPECT_DOUBLE_EQ(result.sparsity(), 0.5005);
  ASSERT_EQ(result.evaluations_size(), 1);
  EXPECT_EQ(result.evaluations(0).name(), "e");
  EXPECT_EQ(result.evaluations(0).dense().perplexity(), 25);
  EXPECT_EQ(result.evaluations(0).pruned().perplexity(), 30);
  EXPECT_EQ(result.evaluations(0).pruned().kl_divergence(), 0.5);
  ASSERT_EQ(result.stages_size(), 1);
  EXPECT_EQ(result.stages(0).stage(), "train");
  EXPECT_EQ(result.stages(0).seconds(), 6 * 2);
  EXPECT_FALSE(job.job().progress().has_eta());
}

}  // namespace
}  // namespace besa::server
