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

v1::JobSpec Spec() { return testing::TestRequest(1, /*evaluation=*/true).spec; }

v1::Job Job() {
  v1::Job job;
  *job.mutable_spec() = Spec();
  job.mutable_model()->set_blocks(4);
  return job;
}

v1::Assignment Of(v1::TaskKind kind) {
  v1::Assignment assignment;
  assignment.set_kind(kind);
  assignment.set_block(3);
  *assignment.mutable_spec() = Spec();
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
    EXPECT_TRUE(CheckResult(TaskOf(typed), Job(), TestResult(Of(typed))).ok()) << kind;
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
    const absl::Status status = CheckResult(TaskOf(v1::TASK_KIND_PRUNE), Job(), result);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
}

TEST(CheckResult, FiguresOfTextsAreFiniteAndComplete) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const std::pair<std::function<void(v1::EvaluationResult&)>, const char*> cases[] = {
      {[](auto& r) { r.mutable_texts(0)->set_perplexity(0.5); }, "texts.perplexity: 0.5"},
      {[](auto& r) { r.mutable_texts(0)->set_perplexity(kNan); }, "texts.perplexity: nan"},
      {[](auto& r) { r.mutable_texts(0)->set_perplexity(std::numeric_limits<double>::infinity()); }, "perplexity: inf"},
      {[](auto& r) { r.mutable_texts(0)->set_tokens(0); }, "texts.tokens: 0"},
      {[](auto& r) { r.mutable_texts(0)->set_kl_divergence(-1); }, "texts.kl_divergence: -1"},
      {[](auto& r) { r.mutable_texts(0)->set_kl_divergence(kNan); }, "texts.kl_divergence: nan"},
      {[](auto& r) { r.mutable_texts(0)->clear_kl_divergence(); }, "texts.kl_divergence: none"},
      {[](auto& r) { r.mutable_texts(0)->set_name("f"); }, "texts.name: f"},
      {[](auto& r) { r.clear_texts(); }, "texts: 0 texts"},
  };
  for (const auto& [spoil, message] : cases) {
    v1::TaskResult result = TestResult(Of(v1::TASK_KIND_EVALUATE_PRUNED));
    spoil(*result.mutable_evaluation());
    const absl::Status status = CheckResult(TaskOf(v1::TASK_KIND_EVALUATE_PRUNED), Job(), result);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
}

TEST(CheckResult, TheDenseModelDoesNotDivergeFromItself) {
  v1::TaskResult result = TestResult(Of(v1::TASK_KIND_EVALUATE_DENSE));
  result.mutable_evaluation()->mutable_texts(0)->set_kl_divergence(0);
  EXPECT_TRUE(absl::IsInvalidArgument(CheckResult(TaskOf(v1::TASK_KIND_EVALUATE_DENSE), Job(), result)));
}

TEST(CheckResult, PreparingAMeasuredAllocationTellsTheShareOfEveryBlock) {
  v1::Job job = Job();
  const v1::Task prepare = TaskOf(v1::TASK_KIND_PREPARE);
  v1::TaskResult result = TestResult(Of(v1::TASK_KIND_PREPARE));
  for (const double share : {0.4, 0.5, 0.5}) result.mutable_prepare()->add_block_sparsity(share);
  EXPECT_TRUE(absl::IsInvalidArgument(CheckResult(prepare, job, result))) << "the job has all blocks alike";
  job.mutable_spec()->mutable_method()->set_block_allocation(v1::BLOCK_ALLOCATION_MEASURED);
  EXPECT_THAT(CheckResult(prepare, job, result).message(), HasSubstr("3 values"));
  result.mutable_prepare()->add_block_sparsity(0.6);
  EXPECT_TRUE(CheckResult(prepare, job, result).ok());
  result.mutable_prepare()->set_block_sparsity(0, 1.5);
  EXPECT_THAT(CheckResult(prepare, job, result).message(), HasSubstr("result.prepare.block_sparsity: 1.5"));
}

}  // namespace
}  // namespace besa::server
