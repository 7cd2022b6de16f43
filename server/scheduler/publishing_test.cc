#include "server/scheduler/publishing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using testing::TestJob;
using testing::TestWorker;

class PublishingTest : public ::testing::Test {
 protected:
  PublishingTest() : job_(2) {
    TestWorker worker;
    job_.WorkOff(worker);
  }

  std::optional<PublishingClaim> Claim(absl::string_view publisher, bool takeover = false) {
    auto decision = OnPublishingAsked(job_.rows, publisher, takeover, job_.context);
    job_.Apply(decision.changes);
    return *decision.reply;
  }
  template <class Reply>
  absl::Status Apply(const Decision<Reply>& decision) {
    job_.Apply(decision.changes);
    return decision.reply.status();
  }

  TestJob job_;
};

v1::JobError Error(v1::FailureReason reason) {
  v1::JobError error;
  error.set_reason(reason);
  error.set_message("no space left");
  return error;
}

TEST_F(PublishingTest, IsClaimedByOneAtATime) {
  const auto claim = Claim("p1");
  ASSERT_TRUE(claim.has_value());
  EXPECT_EQ(claim->tasks.size(), 6u);
  EXPECT_EQ(claim->workspace_uri, "/workspace/j1/");
  EXPECT_FALSE(Claim("p2").has_value());
  EXPECT_FALSE(Claim("p1").has_value());
}

TEST_F(PublishingTest, NothingIsPublishedBeforeEverythingIsCommitted) {
  const TestJob unfinished(2);
  EXPECT_FALSE(OnPublishingAsked(unfinished.rows, "p1", false, unfinished.context).reply->has_value());
}

TEST_F(PublishingTest, WhenItIsDoneTheJobHasSucceeded) {
  const auto claim = Claim("p1");
  ASSERT_TRUE(Apply(OnPublished(job_.rows, claim->claim, job_.context)).ok());
  EXPECT_EQ(job_.state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_TRUE(job_.job().has_end_time());
  EXPECT_EQ(job_.garbage.back().uri, "/workspace/j1/");
  EXPECT_EQ(job_.garbage.back().due, job_.context.now) << "a succeeded job's workspace goes at once";
  EXPECT_TRUE(Apply(OnPublished(job_.rows, claim->claim, job_.context)).ok()) << "the answer may have been lost";
}

TEST_F(PublishingTest, AClaimThatStoodStillCanBeTakenOver) {
  const auto first = Claim("p1");
  ASSERT_TRUE(Apply(OnClaimExpired(job_.rows, first->claim, 0, job_.context)).ok());
  const auto second = Claim("p2");
  ASSERT_TRUE(second.has_value());
  EXPECT_TRUE(absl::IsAborted(Apply(OnPublishingBeat(job_.rows, first->claim, job_.context))));
  EXPECT_TRUE(absl::IsAborted(Apply(OnPublished(job_.rows, first->claim, job_.context))));
  EXPECT_TRUE(Apply(OnPublished(job_.rows, second->claim, job_.context)).ok());
}

TEST_F(PublishingTest, AClaimThatBeatsDoesNotExpire) {
  const auto claim = Claim("p1");
  ASSERT_TRUE(Apply(OnPublishingBeat(job_.rows, claim->claim, job_.context)).ok());
  ASSERT_TRUE(Apply(OnClaimExpired(job_.rows, claim->claim, 0, job_.context)).ok());
  EXPECT_TRUE(Apply(OnPublished(job_.rows, claim->claim, job_.context)).ok());
}

TEST_F(PublishingTest, ADeadPublishersClaimIsTakenAtOnce) {
  Claim("before-the-restart");
  EXPECT_FALSE(Claim("after", /*takeover=*/false).has_value());
  EXPECT_TRUE(Claim("after", /*takeover=*/true).has_value());
}

TEST_F(PublishingTest, BeatsAndClaimsAreNoNewsForWatchers) {
  const int64_t version = job_.job().version();
  const auto claim = Claim("p1");
  ASSERT_TRUE(Apply(OnPublishingBeat(job_.rows, claim->claim, job_.context)).ok());
  EXPECT_EQ(job_.job().version(), version);
}

TEST_F(PublishingTest, FailuresAreTriedAgainUntilTheyAreTooMany) {
  job_.context.options.max_publish_failures = 2;
  ASSERT_TRUE(
      Apply(OnPublishingFailed(job_.rows, Claim("p1")->claim, Error(v1::FAILURE_REASON_STORAGE), job_.context)).ok());
  EXPECT_EQ(job_.state(), v1::JOB_STATE_PUBLISHING);
  ASSERT_TRUE(
      Apply(OnPublishingFailed(job_.rows, Claim("p1")->claim, Error(v1::FAILURE_REASON_STORAGE), job_.context)).ok());
  EXPECT_EQ(job_.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(job_.job().error().message(), "no space left");

  ASSERT_TRUE(job_.Retry().ok());
  EXPECT_EQ(job_.state(), v1::JOB_STATE_PUBLISHING) << "everything is committed: only publishing is left";
  ASSERT_TRUE(Apply(OnPublished(job_.rows, Claim("p1")->claim, job_.context)).ok());
  EXPECT_EQ(job_.state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(PublishingTest, WrongInputFailsTheJobAtOnce) {
  ASSERT_TRUE(
      Apply(OnPublishingFailed(job_.rows, Claim("p1")->claim, Error(v1::FAILURE_REASON_INVALID_INPUT), job_.context))
          .ok());
  EXPECT_EQ(job_.state(), v1::JOB_STATE_FAILED);
}

}  // namespace
}  // namespace besa::server
