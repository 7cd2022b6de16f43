#include "server/scheduler/hook_delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/time.h"
#include "server/scheduler/publishing.h"
#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using testing::TestJob;
using testing::TestWorker;

constexpr char kUri[] = "https://hooks.example.com/besa";

NewJob WithHook() {
  NewJob request = testing::TestRequest(/*blocks=*/1, /*evaluation=*/false);
  request.completion_hook = kUri;
  return request;
}

class HookDeliveryTest : public ::testing::Test {
 protected:
  const v1::CompletionHook& hook() const { return job_.job().completion_hook(); }
  void Pass(absl::Duration duration) { job_.context.now += duration; }

  std::optional<HookClaim> Claim(absl::string_view caller = "c1", bool takeover = false) {
    auto decision = OnHookAsked(job_.rows, caller, takeover, job_.context);
    job_.Apply(decision.changes);
    return *decision.reply;
  }
  absl::Status Delivered(int64_t claim) { return Apply(OnHookDelivered(job_.rows, claim, job_.context)); }
  absl::Status Failed(int64_t claim, HookFailure failure = {.error = "it answered 500"}) {
    return Apply(OnHookFailed(job_.rows, claim, failure, job_.context));
  }
  absl::Status Apply(const Decision<Done>& decision) {
    job_.Apply(decision.changes);
    return decision.reply.status();
  }
  void Succeed() {
    TestWorker worker;
    job_.WorkOff(worker);
    auto asked = OnPublishingAsked(job_.rows, "p", false, job_.context);
    job_.Apply(asked.changes);
    ASSERT_TRUE(Apply(OnPublished(job_.rows, (*asked.reply)->claim, job_.context)).ok());
  }
  void Fail() {
    TestWorker worker;
    const auto task = job_.Lease(worker);
    ASSERT_TRUE(job_.Fail(worker, *task, v1::FAILURE_REASON_INVALID_INPUT).ok());
  }

  TestJob job_{WithHook()};
};

TEST_F(HookDeliveryTest, IsDueOnceTheJobHasEndedAndNotBefore) {
  EXPECT_EQ(hook().uri(), kUri);
  EXPECT_FALSE(Claim().has_value());
  TestWorker worker;
  job_.WorkOff(worker);
  EXPECT_FALSE(Claim().has_value()) << "PUBLISHING is not the end";
  EXPECT_EQ(hook().state(), v1::COMPLETION_HOOK_STATE_UNSPECIFIED);
}

TEST_F(HookDeliveryTest, EveryFinalStateIsDelivered) {
  const auto expect_due = [&](v1::JobState state) {
    ASSERT_EQ(job_.state(), state);
    EXPECT_EQ(hook().state(), v1::COMPLETION_HOOK_STATE_PENDING);
    const auto claim = Claim();
    ASSERT_TRUE(claim.has_value());
    EXPECT_EQ(claim->job.state(), state);
    EXPECT_EQ(hook().attempts(), 1);
    ASSERT_TRUE(Delivered(claim->claim).ok());
    EXPECT_EQ(hook().state(), v1::COMPLETION_HOOK_STATE_DELIVERED);
    EXPECT_FALSE(hook().has_next_attempt_time());
    EXPECT_FALSE(Claim().has_value()) << "once is enough";
  };
  Succeed();
  expect_due(v1::JOB_STATE_SUCCEEDED);
  job_ = TestJob(WithHook());
  Fail();
  expect_due(v1::JOB_STATE_FAILED);
  job_ = TestJob(WithHook());
  ASSERT_TRUE(job_.Cancel().ok());
  expect_due(v1::JOB_STATE_CANCELLED);
}

TEST_F(HookDeliveryTest, TheEventThatTellsTheEndTellsThatADeliveryIsPending) {
  Succeed();
  EXPECT_EQ(job_.events.back().job().state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(job_.events.back().job().completion_hook().state(), v1::COMPLETION_HOOK_STATE_PENDING);
}

TEST_F(HookDeliveryTest, AJobWithoutAHookHasNone) {
  job_ = TestJob(testing::TestRequest(1, false));
  ASSERT_TRUE(job_.Cancel().ok());
  EXPECT_FALSE(job_.job().has_completion_hook());
  EXPECT_FALSE(Claim().has_value());
}

TEST_F(HookDeliveryTest, IsMadeByOneAtATime) {
  Succeed();
  const auto claim = Claim("c1");
  ASSERT_TRUE(claim.has_value());
  EXPECT_FALSE(Claim("c1").has_value()) << "another thread of the same coordinator";
  EXPECT_FALSE(Claim("c2").has_value());
}

TEST_F(HookDeliveryTest, OfOneWhoDiedIsMadeAgainUnderTheSameId) {
  Succeed();
  const auto first = Claim("c1");
  ASSERT_TRUE(Apply(OnHookClaimExpired(job_.rows, first->claim, job_.context)).ok());
  const auto second = Claim("c2");
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->delivery_id, first->delivery_id);
  EXPECT_EQ(second->delivery_id, "j1-1");
  EXPECT_EQ(hook().attempts(), 2);
  EXPECT_TRUE(absl::IsAborted(Delivered(first->claim))) << "it was not dead after all";
  EXPECT_TRUE(absl::IsAborted(Failed(first->claim)));
  EXPECT_TRUE(Apply(OnHookClaimExpired(job_.rows, first->claim, job_.context)).ok());
  EXPECT_TRUE(Delivered(second->claim).ok()) << "which the late expiry did not disturb";
}

TEST_F(HookDeliveryTest, OfADeadCoordinatorIsTakenAtOnce) {
  Succeed();
  ASSERT_TRUE(Claim("before-the-restart").has_value());
  EXPECT_TRUE(Claim("after", /*takeover=*/true).has_value());
}

TEST_F(HookDeliveryTest, IsTriedAgainAfterAPauseThatDoubles) {
  job_.context.options.hook_backoff = {.first = absl::Seconds(2), .longest = absl::Seconds(6)};
  Succeed();
  for (const absl::Duration pause : {absl::Seconds(2), absl::Seconds(4), absl::Seconds(6), absl::Seconds(6)}) {
    ASSERT_TRUE(Failed(Claim()->claim).ok());
    EXPECT_EQ(hook().state(), v1::COMPLETION_HOOK_STATE_PENDING);
    EXPECT_EQ(hook().last_error(), "it answered 500");
    EXPECT_EQ(FromProto(hook().next_attempt_time()), job_.context.now + pause);
    Pass(pause - absl::Milliseconds(1));
    EXPECT_FALSE(Claim().has_value());
    Pass(absl::Milliseconds(1));
  }
  ASSERT_TRUE(Delivered(Claim()->claim).ok());
  EXPECT_EQ(hook().attempts(), 5);
  EXPECT_EQ(hook().last_error(), "");
}

TEST_F(HookDeliveryTest, JitterShortensThePauseByUpToHalf) {
  Succeed();
  ASSERT_TRUE(Failed(Claim()->claim, {.error = "x", .jitter = 0}).ok());
  EXPECT_EQ(FromProto(hook().next_attempt_time()), job_.context.now + absl::Seconds(1));
}

TEST_F(HookDeliveryTest, IsGivenUpAfterTheServicesPatience) {
  Succeed();
  const absl::Time end = job_.context.now;
  int attempts = 0;
  while (const auto claim = Claim()) {
    ++attempts;
    ASSERT_TRUE(Failed(claim->claim).ok());
    if (hook().has_next_attempt_time()) Pass(FromProto(hook().next_attempt_time()) - job_.context.now);
  }
  EXPECT_EQ(hook().state(), v1::COMPLETION_HOOK_STATE_FAILED);
  EXPECT_EQ(hook().last_error(), "it answered 500");
  EXPECT_EQ(hook().attempts(), attempts);
  EXPECT_GT(attempts, 20);
  EXPECT_LT(attempts, 50);
  EXPECT_LE(job_.context.now - end, absl::Hours(24));
  EXPECT_GT(job_.context.now - end, absl::Hours(22));
}

TEST_F(HookDeliveryTest, AFinalAnswerIsNotAskedForAgain) {
  Succeed();
  ASSERT_TRUE(Failed(Claim()->claim, {.error = "it answered 410", .final = true}).ok());
  EXPECT_EQ(hook().state(), v1::COMPLETION_HOOK_STATE_FAILED);
  EXPECT_FALSE(Claim().has_value());
}

TEST_F(HookDeliveryTest, ARetriedJobIsDeliveredAgainUnderAnotherId) {
  Fail();
  const auto first = Claim();
  ASSERT_TRUE(Delivered(first->claim).ok());
  ASSERT_TRUE(job_.Retry().ok());
  EXPECT_EQ(hook().uri(), kUri);
  EXPECT_EQ(hook().state(), v1::COMPLETION_HOOK_STATE_UNSPECIFIED);
  EXPECT_EQ(hook().attempts(), 0);
  Succeed();
  const auto second = Claim();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->delivery_id, "j1-2");
}

TEST_F(HookDeliveryTest, ARetryEndsTheDeliveryThatRuns) {
  Fail();
  const auto claim = Claim();
  ASSERT_TRUE(job_.Retry().ok());
  EXPECT_TRUE(absl::IsAborted(Delivered(claim->claim)));
  Succeed();
  EXPECT_EQ(hook().state(), v1::COMPLETION_HOOK_STATE_PENDING) << "this end has not been told yet";
  EXPECT_TRUE(Claim().has_value());
}

}  // namespace
}  // namespace besa::server
