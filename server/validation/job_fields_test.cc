#include "server/validation/job_fields.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "storage/base/error_info.h"

namespace besa::server {
namespace {

TEST(JobFields, WhatIsLeftOutOrFitsIsFine) {
  EXPECT_TRUE(CheckJobFields({}).ok());
  v1::Job job;
  job.set_priority(-100);
  job.set_owner("ada@example.com");
  (*job.mutable_labels())["team_1-x"] = "natural language";
  job.mutable_time_limit()->set_seconds(3600);
  EXPECT_TRUE(CheckJobFields(job).ok()) << CheckJobFields(job);
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
      // Better than to be ignored.
      {"completion_hook", [](v1::Job& job) { job.mutable_completion_hook()->set_uri("https://hooks.example/besa"); }},
      {"time_limit", [](v1::Job& job) { job.mutable_time_limit()->set_seconds(400LL * 24 * 3600); }},
  };
  for (const auto& [field, break_it] : cases) {
    v1::Job job;
    break_it(job);
    const absl::Status status = CheckJobFields(job);
    ASSERT_TRUE(absl::IsInvalidArgument(status)) << field;
    EXPECT_EQ(GetErrorInfo(status)->metadata.at("field"), field);
  }
}

}  // namespace
}  // namespace besa::server
