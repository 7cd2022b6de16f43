#include "server/scheduler/assignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using testing::TestJob;
using testing::TestWorker;

TEST(Assignment, OfPrepareNeedsNothingButTheSpec) {
  TestJob job;
  TestWorker worker;
  const auto assignment = job.Lease(worker);
  EXPECT_EQ(assignment->kind(), v1::TASK_KIND_PREPARE);
  EXPECT_EQ(assignment->spec().model_uri(), "/models/m");
  EXPECT_EQ(assignment->lease().id(), "j1/prepare/1");
  EXPECT_EQ(assignment->lease().task(), "jobs/j1/tasks/prepare");
  EXPECT_EQ(assignment->shard_bytes(), int64_t{4} << 30);
  EXPECT_EQ(assignment->tokens_uri(), "");
  EXPECT_TRUE(assignment->inputs().empty());
}

TEST(Assignment, OfABlockCarriesTokensAndFingerprints) {
  TestJob job;
  TestWorker worker;
  const auto assignment = job.WorkUpTo(worker, "prune-00001");
  EXPECT_EQ(assignment.block(), 1);
  EXPECT_EQ(assignment.attempt_uri(), "/workspace/j1/attempts/prune-00001-1/");
  EXPECT_EQ(assignment.tokens_uri(), "/workspace/j1/attempts/prepare-1/");
  ASSERT_EQ(assignment.inputs_size(), 1);
  EXPECT_EQ(assignment.inputs(0).uri(), "/models/m/config.json");
}

TEST(Assignment, OfABlockCarriesTheShareThatPreparingMeasuredForIt) {
  TestJob job;
  TestWorker worker;
  EXPECT_EQ(job.WorkUpTo(worker, "prune-00001").sparsity(), 0.0) << "all blocks alike: that of the spec";

  TestJob measured;
  measured.rows.job.job.mutable_spec()->mutable_method()->set_block_allocation(v1::BLOCK_ALLOCATION_MEASURED);
  const v1::Assignment prepare = *measured.Lease(worker);
  v1::TaskResult result = testing::TestResult(prepare);
  for (const double share : {0.4, 0.6, 0.5}) result.mutable_prepare()->add_block_sparsity(share);
  ASSERT_TRUE(measured.Commit(worker, prepare, result).ok());
  EXPECT_EQ(measured.WorkUpTo(worker, "prune-00001").sparsity(), 0.6);
}

TEST(Assignment, OfPassthroughNeedsNoTokens) {
  TestJob job;
  TestWorker worker;
  const auto assignment = job.WorkUpTo(worker, "passthrough");
  EXPECT_EQ(assignment.tokens_uri(), "");
  EXPECT_EQ(assignment.inputs_size(), 1);
}

TEST(Assignment, OfThePrunedEvaluationNamesTheWinningAttemptOfEveryBlock) {
  TestJob job(2);
  TestWorker worker;
  ASSERT_TRUE(job.Fail(worker, job.WorkUpTo(worker, "prune-00000"), v1::FAILURE_REASON_INTERNAL).ok());
  const auto assignment = job.WorkUpTo(worker, "evaluate-pruned");
  ASSERT_EQ(assignment.committed_blocks_size(), 2);
  EXPECT_EQ(assignment.committed_blocks(0).block(), 0);
  EXPECT_EQ(assignment.committed_blocks(0).attempt_uri(), "/workspace/j1/attempts/prune-00000-2/");
  EXPECT_EQ(assignment.committed_blocks(1).files(0).path(), "shard-00001.safetensors");
}

}  // namespace
}  // namespace besa::server
