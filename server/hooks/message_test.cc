#include "server/hooks/message.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace besa::server {
namespace {

v1::Job EndedJob() {
  v1::Job job;
  job.set_name("jobs/j1");
  job.set_state(v1::JOB_STATE_FAILED);
  job.mutable_end_time()->set_seconds(1'750'000'000);
  job.mutable_error()->set_message("block 3: \"NaN\"");
  job.mutable_completion_hook()->set_uri("https://hooks.example.com/besa");
  return job;
}

TEST(HookMessage, TellsWhatHappenedToWhichJobAndWhen) {
  const auto message = nlohmann::json::parse(*HookMessage(EndedJob()));
  EXPECT_EQ(message["type"], "job.failed");
  EXPECT_EQ(message["timestamp"], "2025-06-15T15:06:40Z");
  EXPECT_EQ(message["data"]["name"], "jobs/j1");
  EXPECT_EQ(message["data"]["state"], "JOB_STATE_FAILED");
  EXPECT_EQ(message["data"]["error"]["message"], "block 3: \"NaN\"");
  EXPECT_EQ(message["data"]["priority"], 0) << "zeros are printed";
}

TEST(HookMessage, TypesAreNamedByTheFinalState) {
  v1::Job job = EndedJob();
  job.set_state(v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(nlohmann::json::parse(*HookMessage(job))["type"], "job.succeeded");
  job.set_state(v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(nlohmann::json::parse(*HookMessage(job))["type"], "job.cancelled");
}

TEST(HookMessage, IsTheSameInEveryDelivery) {
  v1::Job job = EndedJob();
  job.set_version(40);
  const std::string first = *HookMessage(job);
  job.set_version(42);
  job.mutable_completion_hook()->set_state(v1::COMPLETION_HOOK_STATE_PENDING);
  job.mutable_completion_hook()->set_attempts(2);
  job.mutable_completion_hook()->set_last_error("it answered 500");
  EXPECT_EQ(*HookMessage(job), first);
}

}  // namespace
}  // namespace besa::server
