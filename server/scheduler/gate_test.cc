#include "server/scheduler/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/scheduler_testing.h"
#include "storage/base/error_info.h"

namespace besa::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TestJob;
using testing::TestWorker;

// A job whose dense model comes to 25 and whose pruned one to 30.
class GateTest : public ::testing::Test {
 protected:
  v1::EvaluationSpec& text() { return *job_.rows.job.job.mutable_spec()->mutable_evaluations(0); }

  v1::JobState StateAtTheEnd() {
    job_.WorkOff(worker_);
    return job_.state();
  }

  TestJob job_{2};
  TestWorker worker_;
};

TEST_F(GateTest, WithoutAGateEverythingIsPublished) { EXPECT_EQ(StateAtTheEnd(), v1::JOB_STATE_PUBLISHING); }

TEST_F(GateTest, FiguresAtTheLimitPass) {
  text().set_max_perplexity(30);
  text().set_max_ratio(1.2);
  EXPECT_EQ(StateAtTheEnd(), v1::JOB_STATE_PUBLISHING);
}

TEST_F(GateTest, APerplexityAboveTheLimitFailsTheJobBeforePublishing) {
  text().set_max_perplexity(29.5);
  EXPECT_EQ(StateAtTheEnd(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(job_.job().error().reason(), v1::FAILURE_REASON_GATE);
  EXPECT_EQ(job_.job().error().task(), "jobs/j1/tasks/evaluate-pruned");
  EXPECT_THAT(job_.job().error().message(), AllOf(HasSubstr("e: perplexity 30"), HasSubstr("above 29.5 (dense 25)"),
                                                  HasSubstr("Nothing was published")));
  EXPECT_TRUE(job_.job().has_end_time());
  EXPECT_EQ(job_.job().result().evaluations(0).pruned().perplexity(), 30) << "the figures are shown";
  ASSERT_EQ(job_.garbage.size(), 1u);
  EXPECT_GT(job_.garbage[0].due, job_.context.now + job_.context.options.keep_failed) << "the blocks are kept";
}

TEST_F(GateTest, ARatioAboveTheLimitFailsTheJobToo) {
  text().set_max_ratio(1.1);
  EXPECT_EQ(StateAtTheEnd(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(job_.job().error().message(), HasSubstr("1.2 times the dense model's 25, above 1.1 times"));
}

TEST_F(GateTest, EveryTextAndLimitThatFailedIsNamed) {
  text().set_max_perplexity(29);
  text().set_max_ratio(1.1);
  v1::EvaluationSpec& other = *job_.rows.job.job.mutable_spec()->add_evaluations();
  other.set_name("other");
  other.set_max_perplexity(28);
  EXPECT_EQ(StateAtTheEnd(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(job_.job().error().message(),
              AllOf(HasSubstr("e: perplexity 30 of the pruned model is above 29"), HasSubstr("above 1.1 times"),
                    HasSubstr("other: perplexity 30 of the pruned model is above 28")));
}

TEST_F(GateTest, AFailedGateIsNotTriedAgainAsItIs) {
  text().set_max_ratio(1.1);
  StateAtTheEnd();
  const absl::Status status = job_.Retry();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetErrorInfo(status)->reason, "GATE");
  EXPECT_EQ(job_.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(job_.job().generation(), 1);
}

TEST_F(GateTest, ARetryThatIgnoresTheGatesPublishesWhatIsThere) {
  text().set_max_ratio(1.1);
  StateAtTheEnd();
  ASSERT_TRUE(job_.Retry(/*ignore_gates=*/true).ok());
  EXPECT_EQ(job_.state(), v1::JOB_STATE_PUBLISHING) << "nothing is left to compute";
  EXPECT_EQ(job_.job().generation(), 2);
  EXPECT_FALSE(job_.job().has_error());
  EXPECT_EQ(job_.job().spec().evaluations(0).max_ratio(), 0) << "the spec says what was asked for in the end";
}

}  // namespace
}  // namespace besa::server
