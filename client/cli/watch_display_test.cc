// What people see of a running job: pictures and lines as pure functions, and the displays that print them.
#include "client/cli/watch_display.h"

#include <sstream>

#include "client/cli/change_lines.h"
#include "client/cli/render_bars.h"
#include "client/testing/manual_time.h"
#include "client/testing/messages.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

v1::Job Pruning(int64_t version) {
  v1::Job job = MakeJob(v1::JOB_STATE_PRUNING, version);
  job.mutable_create_time()->set_seconds(absl::ToUnixSeconds(kStart));
  return job;
}

v1::Task Training(int block, int64_t step) {
  v1::Task task = MakeProgress(block, "train", step, 64);
  task.mutable_progress()->set_loss(0.01234);
  task.mutable_progress()->set_sparsity(0.496);
  return task;
}

TEST(RenderBarsTest, ShowsBlocksAndRunningTasks) {
  WatchState state;
  v1::Job job = Pruning(1);
  job.mutable_progress()->mutable_eta()->set_seconds(40);
  state.Apply(SnapshotEvent(job), kStart);
  state.Apply(TaskEvent(2, MakeCommittedBlock(0)), kStart);
  state.Apply(TaskEvent(3, MakeCommittedBlock(1)), kStart);
  state.Apply(TaskEvent(4, MakeProgress(2, "", 0, 0)), kStart);
  state.Apply(ProgressEvent(4, Training(2, 24)), kStart);
  state.Apply(TaskEvent(5, MakeProgress(3, "load", 0, 0)), kStart);
  EXPECT_THAT(
      RenderBars(state, kStart + absl::Seconds(6), 100),
      ElementsAre("jobs/j1  PRUNING  6.0 s",
                  "block                       [#########-------------------] 2 of 6  sparsity 0.5000  ETA 34.0 s",
                  "block 2         train       [##########------------------] 24/64  loss 0.01234  sparsity 0.4960",
                  "block 3         load        [----------------------------]"));
}

TEST(RenderBarsTest, FitsTheWidth) {
  WatchState state;
  v1::Job job = Pruning(1);
  job.mutable_spec()->set_display_name(std::string(200, 'x'));
  job.set_pending_reason(std::string(200, 'y'));
  state.Apply(SnapshotEvent(job), kStart);
  for (const int width : {20, 40, 80, 300}) {
    for (const std::string& line : RenderBars(state, kStart, width)) EXPECT_LE(line.size(), width) << line;
  }
}

TEST(RenderBarsTest, CountsWhatDoesNotFitTheScreen) {
  WatchState state;
  state.Apply(SnapshotEvent(Pruning(1)), kStart);
  for (int block = 0; block < 20; ++block) state.Apply(TaskEvent(block + 2, Training(block, 1)), kStart);
  const auto lines = RenderBars(state, kStart, 80);
  EXPECT_EQ(lines.size(), 2 + 12 + 1);
  EXPECT_EQ(lines.back(), "and 8 more running");
}

TEST(RenderBarsTest, SaysWhyNothingHappens) {
  WatchState state;
  EXPECT_THAT(RenderBars(state, kStart, 80), IsEmpty());
  v1::Job job = Pruning(1);
  job.set_pending_reason("no worker is connected");
  state.Apply(SnapshotEvent(job), kStart);
  EXPECT_EQ(RenderBars(state, kStart, 80).back(), "waiting: no worker is connected");

  v1::Task task = MakeBlockTask(0, v1::TASK_STATE_PENDING);
  task.set_pending_reason("needs 22.0 GiB");
  state.Apply(JobEvent(Pruning(2)), kStart);
  state.Apply(TaskEvent(3, task), kStart);
  EXPECT_EQ(RenderBars(state, kStart, 80).back(), "waiting: block 0: needs 22.0 GiB");

  // A task that waits while others run is no reason to worry.
  state.Apply(TaskEvent(4, Training(1, 1)), kStart);
  EXPECT_THAT(RenderBars(state, kStart, 80).back(), Not(HasSubstr("waiting")));

  state.outage = Outage{.error = absl::UnavailableError("connection refused"), .lasted = absl::Seconds(12)};
  EXPECT_EQ(RenderBars(state, kStart, 80).back(), "no coordinator for 12.0 s, still trying: connection refused");
}

std::vector<std::string> Texts(const std::vector<ChangeLine>& lines) {
  std::vector<std::string> texts;
  for (const auto& line : lines) texts.push_back(line.text);
  return texts;
}

TEST(ChangeLinesTest, BeginsWithWhatTheJobIs) {
  JobView now;
  auto snapshot = SnapshotEvent(Pruning(1));
  *snapshot.mutable_snapshot()->add_tasks() = MakeCommittedBlock(0);
  now.Apply(snapshot);
  EXPECT_THAT(Texts(DescribeChanges(JobView(), now)),
              ElementsAre("jobs/j1: /models/books -> /models/books-besa50, sparsity 0.5",
                          "state: PRUNING, 1 of 6 blocks committed"));
}

TEST(ChangeLinesTest, OneLineABlock) {
  JobView before;
  before.Apply(SnapshotEvent(Pruning(1)));
  JobView after = before;
  after.Apply(TaskEvent(2, MakeCommittedBlock(4)));
  EXPECT_THAT(Texts(DescribeChanges(before, after)),
              ElementsAre("block 4 committed, 1 of 6: loss 0.04 -> 0.02, sparsity 0.5000, 12.5 s"));
  EXPECT_THAT(DescribeChanges(after, after), IsEmpty());
}

TEST(ChangeLinesTest, AfterAResetNothingIsLeftOut) {
  JobView before;
  before.Apply(SnapshotEvent(Pruning(1)));
  JobView after;
  auto snapshot = SnapshotEvent(MakeJob(v1::JOB_STATE_EVALUATING, 9));
  for (int block = 0; block < 6; ++block) *snapshot.mutable_snapshot()->add_tasks() = MakeCommittedBlock(block);
  after.Apply(snapshot);
  const auto lines = Texts(DescribeChanges(before, after));
  ASSERT_EQ(lines.size(), 7);
  EXPECT_THAT(lines[5], HasSubstr("block 5 committed, 6 of 6"));
  EXPECT_EQ(lines[6], "state: EVALUATING");
}

TEST(ChangeLinesTest, FailedAttemptsWantAttention) {
  JobView before;
  before.Apply(SnapshotEvent(Pruning(1)));
  v1::Task task = MakeBlockTask(3, v1::TASK_STATE_PENDING);
  v1::Attempt& attempt = *task.add_attempts();
  attempt.set_number(1);
  attempt.set_worker("workers/w1");
  attempt.set_outcome(v1::ATTEMPT_OUTCOME_EXPIRED);
  attempt.set_reason(v1::FAILURE_REASON_LOST);
  attempt.set_message("no heartbeat for 30 s");
  JobView after = before;
  after.Apply(TaskEvent(2, task));
  const auto lines = DescribeChanges(before, after);
  EXPECT_THAT(Texts(lines), ElementsAre("block 3: attempt 1 on workers/w1 expired (lost): no heartbeat for 30 s"));
  EXPECT_TRUE(lines[0].attention);
}

TEST(ChangeLinesTest, PerplexityAndRetry) {
  JobView before;
  before.Apply(SnapshotEvent(MakeJob(v1::JOB_STATE_FAILED, 1)));
  v1::Task task;
  task.set_name("jobs/j1/tasks/evaluate-dense");
  task.set_kind(v1::TASK_KIND_EVALUATE_DENSE);
  task.set_state(v1::TASK_STATE_COMMITTED);
  v1::Perplexity& measured = *task.mutable_result()->mutable_evaluation()->add_texts();
  measured.set_name("books");
  measured.set_perplexity(24.95);
  measured.set_tokens(51'000);
  v1::StageSeconds* const stage = task.mutable_result()->add_stages();
  stage->set_stage("evaluate");
  stage->set_seconds(3.2);
  v1::Job retried = Pruning(2);
  retried.set_generation(2);
  JobView after = before;
  after.Apply(JobEvent(retried));
  after.Apply(TaskEvent(3, task));
  EXPECT_THAT(
      Texts(DescribeChanges(before, after)),
      ElementsAre("started again, generation 2",
                  "evaluate-dense committed: perplexity of books 24.95 over 51,000 tokens, 3.2 s", "state: PRUNING"));
}

TEST(LinesDisplayTest, ProgressAtMostEveryFewSeconds) {
  ManualTime time;
  std::ostringstream out;
  const auto display = MakeLinesDisplay(out, time, absl::Seconds(5));
  display->OnEvent(SnapshotEvent(Pruning(1)));
  display->OnEvent(TaskEvent(2, MakeProgress(0, "", 0, 0)));
  for (int second = 0; second < 12; ++second) {
    display->OnEvent(ProgressEvent(2, Training(0, second + 1)));
    time.Advance(absl::Seconds(1));
  }
  EXPECT_EQ(out.str(),
            "jobs/j1: /models/books -> /models/books-besa50, sparsity 0.5\n"
            "state: PRUNING, 0 of 6 blocks committed\n"
            "block 0 of 6; block 0 train 1/64 loss 0.01234\n"
            "block 0 of 6; block 0 train 6/64 loss 0.01234\n"
            "block 0 of 6; block 0 train 11/64 loss 0.01234\n");
}

TEST(LinesDisplayTest, SaysWhyNothingHappensOnceThatHasLasted) {
  ManualTime time;
  std::ostringstream out;
  const auto display = MakeLinesDisplay(out, time);
  display->OnEvent(SnapshotEvent(Pruning(1)));
  out.str("");
  v1::Task task = MakeBlockTask(3, v1::TASK_STATE_PENDING);
  task.set_pending_reason("no worker is free");
  display->OnEvent(TaskEvent(2, task));
  time.Advance(absl::Seconds(1));
  display->Tick();
  EXPECT_EQ(out.str(), "");
  time.Advance(absl::Seconds(2));
  display->Tick();
  display->Tick();
  EXPECT_EQ(out.str(), "waiting: block 3: no worker is free\n");
}

TEST(LinesDisplayTest, OneLineAnOutage) {
  ManualTime time;
  std::ostringstream out;
  const auto display = MakeLinesDisplay(out, time);
  display->OnOutage({.error = absl::UnavailableError("connection refused")});
  display->OnOutage({.error = absl::UnavailableError("connection refused")});
  display->OnEvent(JobEvent(Pruning(1)));
  EXPECT_THAT(out.str(), testing::StartsWith("connection to the coordinator lost, trying again: connection refused\n"
                                             "connected again\n"
                                             "jobs/j1: "));
}

TEST(BarsDisplayTest, RedrawsInPlaceAndTellsTroubleAbove) {
  ManualTime time;
  std::ostringstream out;
  const auto display = MakeBarsDisplay(out, [] { return 81; }, time);
  display->OnEvent(SnapshotEvent(Pruning(1)));
  EXPECT_EQ(out.str(), "\r\x1b[Jjobs/j1  PRUNING  0.0 s\nblock                       [----------] 0 of 6\n");

  out.str("");
  time.Advance(absl::Seconds(2));
  display->Tick();
  EXPECT_THAT(out.str(), testing::StartsWith("\x1b[2A\r\x1b[Jjobs/j1  PRUNING  2.0 s\n"));

  out.str("");
  v1::Task task = MakeBlockTask(0, v1::TASK_STATE_PENDING);
  task.add_attempts()->set_outcome(v1::ATTEMPT_OUTCOME_FAILED);
  display->OnEvent(TaskEvent(2, task));
  EXPECT_THAT(out.str(), testing::StartsWith("\x1b[2A\r\x1b[J"
                                             "block 0: attempt 0 on  failed"));
}

TEST(JsonDisplayTest, OneObjectALine) {
  std::ostringstream out, err;
  const auto display = MakeJsonDisplay(out, err);
  display->OnEvent(TaskEvent(2, MakeCommittedBlock(0)));
  display->OnOutage({.error = absl::UnavailableError("connection refused")});
  display->OnEvent(JobEvent(Pruning(3)));
  EXPECT_THAT(out.str(), testing::MatchesRegex("\\{\"version\":\"2\".*\\}\n\\{\"version\":\"3\".*\\}\n"));
  EXPECT_THAT(out.str(), HasSubstr("\"blocks_total\":6,\"blocks_committed\":0"));
  EXPECT_THAT(err.str(), HasSubstr("connection refused"));
}

}  // namespace
}  // namespace besa::client
