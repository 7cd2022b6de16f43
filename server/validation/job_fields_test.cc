#include "server/validation/job_fields.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "storage/base/error_info.h"

namespace besa::server {
namespace {

TEST(JobFields, WhatIsLeftOutOrFitsIsFine) {
  const Endpoints hooks = *Endpoints::Allow({"https://hooks.example"});
  EXPECT_TRUE(CheckJobFields({}, hooks).ok());
  v1::Job job;
  job.set_priority(-100);
  job.set_owner("ada@example.com");
  (*job.mutable_labels())["team_1-x"] = "natural language";
  job.mutable_time_limit()->set_seconds(3600);
  job.mutable_completion_hook()->set_uri("https://hooks.example/besa");
  EXPECT_TRUE(CheckJobFields(job, hooks).ok()) << CheckJobFields(job, hooks);
}

TEST(JobFields, WhatDoesNotFitIsNamed) {
  const std::pair<const char*, std::function<void(v1::Job&)>> cases[] = {
      {"priority", [](v1::Job& job) { job.set_priority(101); }},
      {"priority", [](v1::Job& job) { job.set_priority(-101); }},
      {"owner", [](v1::Job& job) { job.set_owner(std::string(257, 'a')); }},
      {"owner", [](v1::Job& job) { job.set_owner(std::string("a\0b", 3)); }},
      {"labels", [](v1::Job& job) { (*job.mutable_labels())["Team"] = "x"; }},
      {"labels", [](v1::Job& job) { (*job.mutable_labels())[""] = "x"; }},
      {"labels", [](v1::Job& job) { (*job.mutable_labels())["1st"] = "x"; }},
      {"labels.team", [](v1::Job& job) { (*job.mutable_labels())["team"] = std::string(257, 'x'); }},
      {"labels",
       [](v1::Job& job) {
         for (int i = 0; i < 65; ++i) (*job.mutable_labels())["k" + std::to_string(i)] = "";
       }},
      {"time_limit", [](v1::Job& job) { job.mutable_time_limit()->set_seconds(0); }},
      {"time_limit", [](v1::Job& job) { job.mutable_time_limit()->set_seconds(-1); }},
      {"completion_hook.uri", [](v1::Job& job) { job.mutable_completion_hook(); }},
      {"completion_hook.uri", [](v1::Job& job) { job.mutable_completion_hook()->set_uri("hooks.example/besa"); }},
      {"time_limit", [](v1::Job& job) { job.mutable_time_limit()->set_seconds(400LL * 24 * 3600); }},
  };
  for (const auto& [field, break_it] : cases) {
    v1::Job job;
    break_it(job);
    const absl::Status status = CheckJobFields(job, {});
    ASSERT_TRUE(absl::IsInvalidArgument(status)) << field;
    EXPECT_EQ(GetErrorInfo(status)->metadata.at("field"), field);
  }
}

TEST(JobFields, AHookThatIsNotAllowedIsRefused) {
  v1::Job job;
  job.mutable_completion_hook()->set_uri("https://hooks.example/besa");
  const absl::Status status = CheckJobFields(job, *Endpoints::Allow({"https://hooks.example/other"}));
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  EXPECT_EQ(GetErrorInfo(status)->reason, "HOOK_NOT_ALLOWED");
}

}  // namespace
}  // namespace besa::server
