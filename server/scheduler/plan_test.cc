#include "server/scheduler/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using ::testing::ElementsAre;
using testing::TestJob;
using testing::TestRequest;
using testing::TestWorker;

TEST(Plan, HasTheTasksInTheOrderPrepareBlocksPassthroughEvaluations) {
  const NewJob request = TestRequest(2, /*evaluation=*/true);
  std::vector<std::string> names;
  for (const TaskRow& row : PlanTasks("j1", request.spec, request.model, {})) names.push_back(row.task.name());
  EXPECT_THAT(
      names, ElementsAre("jobs/j1/tasks/prepare", "jobs/j1/tasks/prune-00000", "jobs/j1/tasks/prune-00001",
                         "jobs/j1/tasks/passthrough", "jobs/j1/tasks/evaluate-dense", "jobs/j1/tasks/evaluate-pruned"));
}

TEST(Plan, WithoutATextToEvaluateOnNothingIsEvaluated) {
  TestJob job(1, /*evaluation=*/false);
  TestWorker worker;
  EXPECT_THAT(job.WorkOff(worker), ElementsAre("prepare", "passthrough", "prune-00000"));
  EXPECT_EQ(job.state(), v1::JOB_STATE_PUBLISHING);
}

TEST(Plan, BlocksPassthroughAndTheDenseEvaluationWaitForPrepareOnly) {
  TestJob job(1);
  TestWorker worker;
  const auto prepare = job.Lease(worker);
  EXPECT_EQ(job.task_state("prune-00000"), v1::TASK_STATE_BLOCKED);
  ASSERT_TRUE(job.Commit(worker, *prepare).ok());
  for (const char* id : {"prune-00000", "passthrough", "evaluate-dense"}) {
    EXPECT_EQ(job.task_state(id), v1::TASK_STATE_PENDING) << id;
  }
  EXPECT_EQ(job.task_state("evaluate-pruned"), v1::TASK_STATE_BLOCKED);
}

TEST(Plan, ThePrunedEvaluationWaitsForAllBlocksAndThePassthrough) {
  TestJob job(2);
  TestWorker worker;
  const auto passthrough = job.WorkUpTo(worker, "passthrough");
  EXPECT_EQ(UnmetDependencies(job.rows, job.task("evaluate-pruned")), 3);
  // The blocks are committed while it is still being copied.
  ASSERT_TRUE(job.Commit(worker, job.WorkUpTo(worker, "prune-00001")).ok());
  EXPECT_EQ(UnmetDependencies(job.rows, job.task("evaluate-pruned")), 1);
  EXPECT_EQ(job.task_state("evaluate-pruned"), v1::TASK_STATE_BLOCKED);
  ASSERT_TRUE(job.Commit(worker, passthrough).ok());
  EXPECT_EQ(job.task_state("evaluate-pruned"), v1::TASK_STATE_PENDING);
}

}  // namespace
}  // namespace besa::server
