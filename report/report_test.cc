#include "report/report.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proto/time.h"
#include "report/report_data.h"

namespace besa {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kStart = absl::FromUnixSeconds(1'750'000'000);

v1::Job SomeJob() {
  v1::Job job;
  job.set_name("jobs/abc");
  job.set_state(v1::JOB_STATE_PRUNING);
  job.mutable_spec()->set_sparsity(0.5);
  job.mutable_spec()->set_output_uri("file:///out");
  *job.mutable_start_time() = ToProto(kStart);
  return job;
}

v1::Task SomeBlock(int block, int steps) {
  v1::Task task;
  task.set_name(absl::StrCat("jobs/abc/tasks/prune-0000", block));
  task.set_kind(v1::TASK_KIND_PRUNE);
  task.set_block(block);
  task.set_state(v1::TASK_STATE_COMMITTED);
  v1::BlockResult& result = *task.mutable_result()->mutable_block();
  result.set_final_loss(0.01);
  v1::LinearResult& linear = *result.add_linears();
  linear.set_name("model.layers.0.self_attn.q_proj");
  linear.set_rows(4);
  linear.set_cols(10);
  linear.set_zeros(18);
  for (int i = 0; i < 100; ++i) linear.add_rows_by_rate(i == 45 ? 4 : 0);
  for (int i = 0; i < steps; ++i) result.add_loss(1.0F / static_cast<float>(i + 1));
  v1::Attempt& attempt = *task.add_attempts();
  attempt.set_worker("workers/w1");
  attempt.set_outcome(v1::ATTEMPT_OUTCOME_COMMITTED);
  *attempt.mutable_start_time() = ToProto(kStart + absl::Seconds(2));
  *attempt.mutable_end_time() = ToProto(kStart + absl::Seconds(9));
  return task;
}

TEST(Report, HasWhatTheCommitsRecorded) {
  const auto data = ReportData(SomeJob(), {SomeBlock(1, 3), SomeBlock(0, 1000)}, "0.1.0", kStart + absl::Seconds(20));
  ASSERT_EQ(data["blocks"].size(), 2u);
  EXPECT_EQ(data["blocks"][0]["block"], 0);
  EXPECT_EQ(data["blocks"][0]["linears"][0]["name"], "q_proj");
  EXPECT_EQ(data["blocks"][0]["linears"][0]["sparsity"], 0.45);
  EXPECT_EQ(data["blocks"][0]["linears"][0]["rates"][45], 4);
  EXPECT_LE(data["blocks"][0]["loss"].size(), 201u);
  EXPECT_EQ(data["blocks"][0]["loss"].back()[0], 1000);
  EXPECT_EQ(data["blocks"][1]["loss"].size(), 3u);
  EXPECT_EQ(data["attempts"][0]["begin"], 2.0);
  EXPECT_EQ(data["attempts"][0]["end"], 9.0);
  EXPECT_EQ(data["workers"][0], "w1");
  EXPECT_EQ(data["seconds"], 20.0);
  EXPECT_EQ(data["state"], "pruning");
  EXPECT_EQ(data["output_uri"], "/out") << "what from_pretrained takes";
}

TEST(Report, AJobThatHasNotBegunHasOneToo) {
  v1::Job job = SomeJob();
  job.clear_start_time();
  job.set_pending_reason("no worker is connected");
  const auto data = ReportData(job, {}, "0.1.0", kStart);
  EXPECT_EQ(data["pending_reason"], "no worker is connected");
  EXPECT_THAT(FormatReport(job, {}, "0.1.0", kStart), HasSubstr("no worker is connected"));
}

TEST(Report, IsOneFileThatAsksTheNetworkForNothing) {
  const std::string html = FormatReport(SomeJob(), {SomeBlock(0, 3)}, "0.1.0", kStart);
  EXPECT_THAT(html, Not(HasSubstr("@@")));
  EXPECT_THAT(html, Not(HasSubstr("<script src")));
  EXPECT_THAT(html, Not(HasSubstr("<link")));
  EXPECT_THAT(html, HasSubstr("Licensed to the Apache Software Foundation"));
}

TEST(Report, NamesCannotBreakOutOfTheData) {
  v1::Job job = SomeJob();
  job.mutable_spec()->set_display_name("</script><script>alert(1)</script>");
  EXPECT_THAT(FormatReport(job, {}, "0.1.0", kStart), Not(HasSubstr("<script>alert")));
}

}  // namespace
}  // namespace besa
