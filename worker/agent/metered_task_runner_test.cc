#include "worker/agent/metered_task_runner.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"
#include "worker/agent/testing/manual_time.h"

namespace besa::worker {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Trains in `steps` steps of one second each.
class ScriptedRunner final : public TaskRunner {
 public:
  explicit ScriptedRunner(ManualTime& time) : time_(time) {}

  absl::StatusOr<TaskEnding> Compute(const v1::Assignment&, const TaskObserver& observer) override {
    for (int step = 1; step <= 4; ++step) {
      time_.Advance(absl::Seconds(1));
      v1::TaskProgress progress;
      progress.set_stage("train");
      progress.set_step(step);
      progress.set_steps(4);
      progress.set_loss(1.0 / step);
      progress.set_sparsity(0.5);
      if (!observer(progress)) return absl::CancelledError("stopped");
    }
    v1::TaskResult result;
    result.mutable_block();
    v1::StageSeconds& stage = *result.add_stages();
    stage.set_stage("train");
    stage.set_seconds(4);
    return Finished(std::move(result));
  }
  std::optional<v1::Cursor> cursor() const override { return std::nullopt; }

 private:
  ManualTime& time_;
};

class MeteredTaskRunnerTest : public ::testing::Test {
 protected:
  MeteredTaskRunnerTest() {
    assignment_.set_kind(v1::TASK_KIND_PRUNE);
    assignment_.set_block(7);
    assignment_.mutable_spec()->mutable_calibration()->set_samples(8);
    assignment_.mutable_spec()->mutable_calibration()->set_sequence_length(64);
  }
  std::string Text() { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  ManualTime time_;
  ScriptedRunner inner_{time_};
  prometheus::Registry registry_;
  MeteredTaskRunner runner_{inner_, v1::Device(), registry_, time_};
  v1::Assignment assignment_;
};

TEST_F(MeteredTaskRunnerTest, CountsEachOfSeveralBlocks) {
  v1::Assignment next = assignment_;
  next.set_block(8);
  const TaskObserver go_on = [](const v1::TaskProgress&) { return true; };
  int ended = 0;
  runner_.ComputeSeveral({{&assignment_, &go_on, {}}, {&next, &go_on, {}}},
                         [&](size_t, absl::StatusOr<TaskEnding> ending) {
                           ASSERT_TRUE(ending.ok());
                           ended += (*std::move(ending))(go_on).ok() ? 1 : 0;
                         });
  EXPECT_EQ(ended, 2);
  EXPECT_THAT(Text(), HasSubstr(R"(besa_worker_tasks_total{code="OK",kind="PRUNE"} 2)"));
  EXPECT_THAT(Text(), HasSubstr(R"(besa_worker_tokens_total{kind="PRUNE"} 1024)"));
  EXPECT_THAT(Text(), HasSubstr("besa_worker_busy 0"));
}

TEST_F(MeteredTaskRunnerTest, ShowsTheBlockWhileItIsPrunedAndCountsItAfterwards) {
  std::string half_way;
  const auto result = runner_.Run(assignment_, [&](const v1::TaskProgress& progress) {
    if (progress.step() == 2) half_way = Text();
    return true;
  });
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(half_way, HasSubstr("besa_worker_busy 1"));
  EXPECT_THAT(half_way, HasSubstr("besa_worker_block 7"));
  EXPECT_THAT(half_way, HasSubstr("besa_worker_loss 0.5"));
  EXPECT_THAT(half_way, HasSubstr(R"(besa_worker_tokens_total{kind="PRUNE"} 256)"));
  EXPECT_THAT(half_way, HasSubstr("besa_worker_busy_seconds_total 2"));

  EXPECT_THAT(Text(), HasSubstr("besa_worker_busy 0"));
  EXPECT_THAT(Text(), Not(HasSubstr("besa_worker_loss ")));
  EXPECT_THAT(Text(), HasSubstr(R"(besa_worker_tokens_total{kind="PRUNE"} 512)"));
  EXPECT_THAT(Text(), HasSubstr(R"(besa_worker_steps_total{stage="train"} 4)"));
  EXPECT_THAT(Text(), HasSubstr(R"(besa_worker_tasks_total{code="OK",kind="PRUNE"} 1)"));
  EXPECT_THAT(Text(), HasSubstr(R"(besa_worker_stage_seconds_total{stage="train"} 4)"));
}

TEST_F(MeteredTaskRunnerTest, ATaskThatIsStoppedCountsAsThat) {
  EXPECT_FALSE(runner_.Run(assignment_, [](const v1::TaskProgress&) { return false; }).ok());
  EXPECT_THAT(Text(), HasSubstr(R"(besa_worker_tasks_total{code="CANCELLED",kind="PRUNE"} 1)"));
}

}  // namespace
}  // namespace besa::worker
