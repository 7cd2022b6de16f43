#include "client/job_view.h"

#include "client/testing/messages.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa::client {
namespace {

using testing::ElementsAre;

std::vector<std::string> Names(const JobView& view) {
  std::vector<std::string> names;
  for (const auto& task : view.tasks()) names.push_back(task.name().substr(std::string("jobs/j1/tasks/").size()));
  return names;
}

TEST(JobViewTest, FoldsEventsIntoTheStateNow) {
  JobView view;
  view.Apply(SnapshotEvent(MakeJob(v1::JOB_STATE_PRUNING, 1)));
  EXPECT_EQ(view.blocks_total(), 6);
  EXPECT_EQ(view.blocks_committed(), 0);
  EXPECT_EQ(view.sparsity(), 0);

  view.Apply(ProgressEvent(1, MakeProgress(3, "train", 8, 64)));
  view.Apply(TaskEvent(2, MakeCommittedBlock(1)));
  EXPECT_THAT(Names(view), ElementsAre("prune-00001", "prune-00003"));
  EXPECT_EQ(view.blocks_committed(), 1);
  EXPECT_EQ(view.sparsity(), 0.5);
  EXPECT_EQ(view.FindTask("jobs/j1/tasks/prune-00003")->progress().step(), 8);
  EXPECT_EQ(view.FindTask("jobs/j1/tasks/prune-00004"), nullptr);

  view.Apply(JobEvent(MakeJob(v1::JOB_STATE_EVALUATING, 3)));
  EXPECT_EQ(view.job().state(), v1::JOB_STATE_EVALUATING);
  EXPECT_EQ(view.blocks_committed(), 1);
}

TEST(JobViewTest, LateProgressDoesNotRevive) {
  JobView view;
  view.Apply(TaskEvent(2, MakeCommittedBlock(1)));
  view.Apply(ProgressEvent(2, MakeProgress(1, "train", 8, 64)));
  EXPECT_EQ(view.tasks()[0].state(), v1::TASK_STATE_COMMITTED);
  EXPECT_FALSE(view.tasks()[0].has_progress());
}

TEST(JobViewTest, ASnapshotReplacesEverything) {
  JobView view;
  view.Apply(TaskEvent(2, MakeCommittedBlock(1)));
  auto snapshot = SnapshotEvent(MakeJob(v1::JOB_STATE_PRUNING, 1));
  *snapshot.mutable_snapshot()->add_tasks() = MakeBlockTask(0, v1::TASK_STATE_PENDING);
  view.Apply(snapshot);
  EXPECT_THAT(Names(view), ElementsAre("prune-00000"));
  EXPECT_EQ(view.blocks_committed(), 0);
}

}  // namespace
}  // namespace besa::client
