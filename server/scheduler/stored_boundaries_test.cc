#include "server/scheduler/stored_boundaries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::TestJob;
using testing::TestRequest;
using testing::TestWorker;

v1::CalibrationSpec Calibration(int samples, int length) {
  v1::CalibrationSpec calibration;
  calibration.set_samples(samples);
  calibration.set_sequence_length(length);
  return calibration;
}

v1::ModelSummary Llama70B() {
  v1::ModelSummary model;
  model.set_blocks(80);
  model.set_hidden_size(8192);
  model.set_prunable_parameters(int64_t{80} * 855'638'016);
  model.set_bytes(int64_t{138} * 1'000'000'000);
  return model;
}

TestJob StoringJob(int blocks) {
  NewJob request = TestRequest(blocks, /*evaluation=*/false);
  request.activations = v1::ACTIVATIONS_STORED;
  *request.spec.mutable_calibration() = Calibration(8, 4096);
  return TestJob(request);
}

TEST(Activations, AreStoredForALargeFleetAndWalkedByASmallOne) {
  const SweepCosts costs = EstimateSweepCosts(Llama70B(), Calibration(128, 2048), 25e9);
  EXPECT_NEAR(costs.forward, 0.70, 0.07) << "as measured on an H200";
  EXPECT_NEAR(costs.boundary_bytes, 4.3e9, 0.05e9);
  EXPECT_EQ(ChooseActivations(80, costs, 1), v1::ACTIVATIONS_WALKED);
  EXPECT_EQ(ChooseActivations(80, costs, 2), v1::ACTIVATIONS_WALKED);
  EXPECT_EQ(ChooseActivations(80, costs, 8), v1::ACTIVATIONS_STORED);
}

TEST(Activations, AreWalkedWhereTheStoreIsSlow) {
  // Eight sweeps that each read 138 GB take longer than the walks that they save.
  const SweepCosts costs = EstimateSweepCosts(Llama70B(), Calibration(128, 2048), 3e9);
  EXPECT_EQ(ChooseActivations(80, costs, 8), v1::ACTIVATIONS_WALKED);
}

TEST(Boundaries, AreSpreadEvenlyAndNeverTheFirstBlock) {
  EXPECT_THAT(PlanBoundaries(80, 8), ElementsAre(5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75));
  EXPECT_THAT(PlanBoundaries(6, 2), ElementsAre(1, 3, 4));
  EXPECT_THAT(PlanBoundaries(2, 8), ElementsAre(1));
  EXPECT_THAT(PlanBoundaries(1, 8), IsEmpty());
}

TEST(Shares, AreWholeBatchesAndTogetherAllWindows) {
  for (const int length : {64, 100, 512, 2048, 5000}) {
    for (const int samples : {1, 7, 128, 1000}) {
      int next = 0;
      for (const v1::SweepShare& share : PlanShares(Calibration(samples, length), 8, {5})) {
        EXPECT_EQ(share.first_window(), next);
        EXPECT_GT(share.windows(), 0);
        next += share.windows();
        if (next == samples) continue;
        EXPECT_EQ(next % std::max(1, 8192 / length), 0) << length;
        EXPECT_EQ(next % std::max(1, 1024 / length), 0) << length;
      }
      EXPECT_EQ(next, samples);
    }
  }
  EXPECT_EQ(PlanShares(Calibration(128, 2048), 8, {5}).size(), 8u);
}

TEST(Sweeps, ComeBeforeTheBlocksWhichGetWhatTheyStored) {
  TestJob job = StoringJob(4);
  TestWorker worker;
  EXPECT_EQ(job.job().activations(), v1::ACTIVATIONS_STORED);
  const v1::Assignment sweep = job.WorkUpTo(worker, "sweep-00000");
  EXPECT_THAT(sweep.sweep().boundaries(), ElementsAre(1, 2, 3));
  EXPECT_EQ(sweep.tokens_uri(), "/workspace/j1/attempts/prepare-1/");
  EXPECT_EQ(job.task_state("prune-00000"), v1::TASK_STATE_BLOCKED);
  ASSERT_TRUE(job.Commit(worker, sweep).ok());

  const v1::Assignment block = job.WorkUpTo(worker, "prune-00002");
  EXPECT_EQ(block.boundary().block(), 2);
  ASSERT_EQ(block.boundary().parts_size(), 2);
  EXPECT_EQ(block.boundary().parts(1).first_window(), 4);
  EXPECT_EQ(block.boundary().parts(1).windows(), 4);
  EXPECT_EQ(block.boundary().parts(1).attempt_uri(), "/workspace/j1/attempts/sweep-00001-1/");
  EXPECT_EQ(block.boundary().parts(1).file().path(), "boundary-00002.safetensors");
}

TEST(Sweeps, LeaveNothingBehindWhenTheLastBlockIsCommitted) {
  TestJob job = StoringJob(2);
  TestWorker worker;
  const v1::Assignment last = job.WorkUpTo(worker, "prune-00001");
  EXPECT_THAT(job.garbage, IsEmpty());
  ASSERT_TRUE(job.Commit(worker, last).ok());
  ASSERT_EQ(job.garbage.size(), 2u);
  EXPECT_EQ(job.garbage[0].uri, "/workspace/j1/attempts/sweep-00000-1/");
  EXPECT_EQ(job.garbage[0].due, job.context.now);
}

TEST(Sweeps, ResultHasToBeOfTheShare) {
  TestJob job = StoringJob(2);
  TestWorker worker;
  v1::Assignment sweep = job.WorkUpTo(worker, "sweep-00000");
  sweep.mutable_sweep()->set_windows(1);
  EXPECT_EQ(job.Commit(worker, sweep).code(), absl::StatusCode::kInvalidArgument);
}

TEST(Sweeps, AreNotPlannedForASequentialJob) {
  NewJob request = TestRequest(4, /*evaluation=*/false, v1::SCHEDULE_SEQUENTIAL);
  TestJob job(request);
  EXPECT_EQ(job.job().activations(), v1::ACTIVATIONS_WALKED);
  EXPECT_FALSE(StoresActivations(job.rows));
}

}  // namespace
}  // namespace besa::server
