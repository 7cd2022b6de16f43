#include "server/scheduler/check_result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using ::testing::HasSubstr;
using testing::TestResult;

v1::Assignment Of(v1::TaskKind kind) {
  v1::Assignment assignment;
  assignment.set_kind(kind);
  assignment.set_block(3);
  return assignment;
}

v1::Task TaskOf(v1::TaskKind kind) {
  v1::Task task;
  task.set_kind(kind);
  task.set_block(3);
  return task;
}

TEST(CheckResult, ResultsOfEveryKindFitTheirTasks) {
  for (int kind = v1::TASK_KIND_PREPARE; kind <= v1::TASK_KIND_EVALUATE_PRUNED; ++kind) {
    const auto typed = static_cast<v1::TaskKind>(kind);
    EXPECT_TRUE(CheckResult(TaskOf(typed), TestResult(Of(typed))).ok()) << kind;
  }
}

TEST(CheckResult, WhatDoesNotFitIsNamed) {
  const std::pair<std::function<void(v1::TaskResult&)>, const char*> cases[] = {
      {[](auto& r) { r.mutable_passthrough(); }, "result.detail: passthrough"},
      {[](auto& r) { r.clear_detail(); }, "result.detail: none"},
      {[](auto& r) { r.mutable_block()->set_block(4); }, "result.block.block: 4"},
      {[](auto& r) { r.mutable_block()->set_zeros(1001); }, "result.block.zeros: 1001"},
      {[](auto& r) { r.mutable_block()->set_weights(0); }, "result.block.weights: 0"},
      {[](auto& r) { r.clear_files(); }, "result.files: none"},
      {[](auto& r) { r.mutable_files(0)->set_path("../prepare-1/x"); }, "result.files.path: ../prepare-1/x"},
      {[](auto& r) { r.mutable_files(0)->set_path("/etc/passwd"); }, "result.files.path: /etc/passwd"},
      {[](auto& r) { r.mutable_files(0)->set_path(""); }, "result.files.path"},
      {[](auto& r) { *r.add_files() = r.files(0); }, "every file once"},
      {[](auto& r) { r.mutable_files(0)->set_size(-1); }, "result.files.size: -1"},
      {[](auto& r) { r.mutable_files(0)->set_sha256("ABC"); }, "result.files.sha256: ABC"},
  };
  for (const auto& [spoil, message] : cases) {
    v1::TaskResult result = TestResult(Of(v1::TASK_KIND_PRUNE));
    spoil(result);
    const absl::Status status = CheckResult(TaskOf(v1::TASK_KIND_PRUNE), result);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
}

TEST(CheckResult, APerplexityIsAFiniteNumberFromOneUp) {
  for (const double bad : {0.5, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    v1::TaskResult result = TestResult(Of(v1::TASK_KIND_EVALUATE_DENSE));
    result.mutable_perplexity()->set_perplexity(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(CheckResult(TaskOf(v1::TASK_KIND_EVALUATE_DENSE), result))) << bad;
  }
}

}  // namespace
}  // namespace besa::server
