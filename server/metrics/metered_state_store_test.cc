#include "server/metrics/metered_state_store.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"
#include "server/scheduler/coordinator_testing.h"

namespace besa::server {
namespace {

using testing::CoordinatorBench;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TestWorker;

// A bench whose coordinator works on a metered store.
class MeteredStateStoreTest : public ::testing::Test {
 protected:
  MeteredStateStoreTest() { bench_.WorkThrough(metered_); }

  std::string Text() { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  CoordinatorBench bench_;
  prometheus::Registry registry_;
  MeteredStateStore metered_{*bench_.store, registry_, bench_.clock};
};

TEST_F(MeteredStateStoreTest, CountsWhatTheStepsComeTo) {
  const TestWorker worker;
  ASSERT_TRUE(bench_.Register(worker).ok());
  bench_.CreateJob(/*blocks=*/2, /*evaluation=*/false);
  bench_.clock.Advance(absl::Seconds(20));
  auto lease = bench_.Lease(worker, "r1");
  ASSERT_TRUE(lease.ok());
  ASSERT_TRUE(bench_.Fail(worker, lease->assignment(), v1::FAILURE_REASON_OUT_OF_MEMORY).ok());
  bench_.WorkOff(worker);

  const std::string text = Text();
  EXPECT_THAT(text,
              HasSubstr(R"(besa_attempts_ended_total{kind="PREPARE",outcome="FAILED",reason="OUT_OF_MEMORY"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(besa_attempts_ended_total{kind="PRUNE",outcome="COMMITTED",reason="NONE"} 2)"));
  EXPECT_THAT(text, HasSubstr(R"(besa_jobs_ended_total{state="SUCCEEDED"} 1)"));
  EXPECT_THAT(text, HasSubstr("besa_job_queue_seconds_sum 20"));
  EXPECT_THAT(text, HasSubstr("besa_lease_expiries_total 0"));
  EXPECT_THAT(text, HasSubstr(R"(besa_state_operation_seconds_count{operation="create_job"} 1)"));
  EXPECT_THAT(text, Not(HasSubstr("besa_state_operation_errors_total{")));
}

// A counter that appears with 1 has not increased, as Prometheus sees it: an alert would miss the first one.
TEST_F(MeteredStateStoreTest, WhatMayGoWrongIsThereFromTheStart) {
  const std::string text = Text();
  for (const char* kind : {"PREPARE", "SWEEP", "PRUNE", "PASSTHROUGH", "EVALUATE_DENSE", "EVALUATE_PRUNED"}) {
    const std::string of = absl::StrCat(R"(besa_attempts_ended_total{kind=")", kind, R"(",outcome=)");
    EXPECT_THAT(text, HasSubstr(of + R"("FAILED",reason="OUT_OF_MEMORY"} 0)"));
    EXPECT_THAT(text, HasSubstr(of + R"("EXPIRED",reason="LOST"} 0)"));
  }
  EXPECT_THAT(text, HasSubstr(R"(besa_jobs_ended_total{state="FAILED"} 0)"));
}

TEST_F(MeteredStateStoreTest, ALeaseThatExpiresIsCountedOnce) {
  const TestWorker worker;
  ASSERT_TRUE(bench_.Register(worker).ok());
  bench_.CreateJob(/*blocks=*/1);
  ASSERT_TRUE(bench_.Lease(worker, "r1").ok());
  ASSERT_TRUE(bench_.housekeeper->Tick().ok());
  bench_.clock.Advance(2 * bench_.options.lease_term);
  ASSERT_TRUE(bench_.housekeeper->Tick().ok());
  ASSERT_TRUE(bench_.housekeeper->Tick().ok());
  EXPECT_THAT(Text(), HasSubstr("besa_lease_expiries_total 1"));
}

TEST_F(MeteredStateStoreTest, CallsOfCompletionHooksAreCountedByWhatCameOfThem) {
  EXPECT_THAT(Text(), HasSubstr(R"(besa_completion_hook_attempts_total{outcome="undelivered"} 0)"));
  NewJob request = testing::TestRequest(/*blocks=*/1, /*evaluation=*/false);
  request.completion_hook = "https://hooks.example.com/besa";
  const std::string job = bench_.coordinator->CreateJob(request)->name();
  ASSERT_TRUE(bench_.coordinator->CancelJob(job).ok());
  const auto claim = [&] { return (*bench_.coordinator->ClaimHook("c1"))->claim; };
  ASSERT_TRUE(bench_.coordinator->FailHook(job, claim(), {.error = "it answered 500"}).ok());
  bench_.clock.Advance(absl::Seconds(2));
  ASSERT_TRUE(bench_.coordinator->FinishHook(job, claim()).ok());
  const std::string text = Text();
  EXPECT_THAT(text, HasSubstr(R"(besa_completion_hook_attempts_total{outcome="failed"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(besa_completion_hook_attempts_total{outcome="delivered"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(besa_completion_hook_attempts_total{outcome="undelivered"} 0)"));
}

TEST_F(MeteredStateStoreTest, AnAnswerIsNoError) {
  EXPECT_FALSE(metered_.ReadJob("nothing").ok());
  EXPECT_THAT(Text(), Not(HasSubstr("besa_state_operation_errors_total{")));
}

}  // namespace
}  // namespace besa::server
