#include "server/scheduler/check_result.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

bool IsSha256(absl::string_view text) {
  return text.size() == 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsBelow(absl::string_view path) {
  for (absl::string_view part : absl::StrSplit(path, '/')) {
    if (part.empty() || part == "." || part == "..") return false;
  }
  return true;
}

absl::Status CheckFiles(const v1::TaskResult& result) {
  std::set<std::string> paths;
  for (const v1::File& file : result.files()) {
    if (!IsBelow(file.path())) {
      return FieldError("result.files.path", file.path(), "a path below the attempt's folder, without . or ..");
    }
    if (!paths.insert(file.path()).second) return FieldError("result.files.path", file.path(), "every file once");
    if (file.size() < 0) return FieldError("result.files.size", absl::StrCat(file.size()), "0 or more");
    if (!IsSha256(file.sha256())) {
      return FieldError("result.files.sha256", file.sha256(), "64 lower-case hexadecimal digits");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBlock(const v1::Task& task, const v1::BlockResult& block) {
  if (block.block() != task.block()) {
    return FieldError("result.block.block", absl::StrCat(block.block()), absl::StrCat(task.block()));
  }
  if (block.weights() <= 0) return FieldError("result.block.weights", absl::StrCat(block.weights()), "1 or more");
  if (block.zeros() < 0 || block.zeros() > block.weights()) {
    return FieldError("result.block.zeros", absl::StrCat(block.zeros()), absl::StrCat("0 to ", block.weights()));
  }
  return absl::OkStatus();
}

absl::Status CheckPrepare(const v1::Job& job, const v1::PrepareResult& prepare) {
  const bool measured = job.spec().method().block_allocation() == v1::BLOCK_ALLOCATION_MEASURED;
  const int expected = measured ? job.model().blocks() : 0;
  if (prepare.block_sparsity_size() != expected) {
    return FieldError("result.prepare.block_sparsity", absl::StrCat(prepare.block_sparsity_size(), " values"),
                      absl::StrCat(expected));
  }
  for (const double sparsity : prepare.block_sparsity()) {
    if (sparsity >= 0.0 && sparsity <= 1.0) continue;
    return FieldError("result.prepare.block_sparsity", absl::StrCat(sparsity), "numbers from 0 to 1");
  }
  return absl::OkStatus();
}

absl::Status CheckSweep(const v1::Task& task, const v1::TaskResult& result) {
  if (result.sweep().share().SerializeAsString() != task.sweep().SerializeAsString()) {
    return FieldError("result.sweep.share", result.sweep().share().ShortDebugString(), task.sweep().ShortDebugString());
  }
  if (result.files_size() != task.sweep().boundaries_size()) {
    return FieldError("result.files", absl::StrCat(result.files_size(), " files"),
                      absl::StrCat(task.sweep().boundaries_size(), ", one a boundary"));
  }
  return absl::OkStatus();
}

absl::Status CheckText(const v1::Perplexity& text, bool pruned) {
  constexpr char kPrefix[] = "result.evaluation.texts.";
  if (!std::isfinite(text.perplexity()) || text.perplexity() < 1) {
    return FieldError(absl::StrCat(kPrefix, "perplexity"), absl::StrCat(text.perplexity()), "a number from 1 up");
  }
  if (text.tokens() <= 0) {
    return FieldError(absl::StrCat(kPrefix, "tokens"), absl::StrCat(text.tokens()), "1 or more");
  }
  if (text.has_kl_divergence() != pruned) {
    return FieldError(absl::StrCat(kPrefix, "kl_divergence"), text.has_kl_divergence() ? "set" : "none",
                      "a figure of the pruned model, and of it alone");
  }
  if (!std::isfinite(text.kl_divergence()) || text.kl_divergence() < 0) {
    return FieldError(absl::StrCat(kPrefix, "kl_divergence"), absl::StrCat(text.kl_divergence()), "a number from 0 up");
  }
  return absl::OkStatus();
}

absl::Status CheckEvaluation(const v1::JobSpec& spec, const v1::EvaluationResult& evaluation, bool pruned) {
  if (evaluation.texts_size() != spec.evaluations_size()) {
    return FieldError("result.evaluation.texts", absl::StrCat(evaluation.texts_size(), " texts"),
                      absl::StrCat(spec.evaluations_size(), ", as the job has"));
  }
  for (int i = 0; i < evaluation.texts_size(); ++i) {
    if (evaluation.texts(i).name() != spec.evaluations(i).name()) {
      return FieldError("result.evaluation.texts.name", evaluation.texts(i).name(), spec.evaluations(i).name());
    }
    RETURN_IF_ERROR(CheckText(evaluation.texts(i), pruned));
  }
  return absl::OkStatus();
}

v1::TaskResult::DetailCase ExpectedDetail(v1::TaskKind kind) {
  switch (kind) {
    case v1::TASK_KIND_PREPARE:
      return v1::TaskResult::kPrepare;
    case v1::TASK_KIND_PRUNE:
      return v1::TaskResult::kBlock;
    case v1::TASK_KIND_SWEEP:
      return v1::TaskResult::kSweep;
    case v1::TASK_KIND_PASSTHROUGH:
      return v1::TaskResult::kPassthrough;
    default:
      return v1::TaskResult::kEvaluation;
  }
}

std::string DetailName(v1::TaskResult::DetailCase detail) {
  const auto* field = v1::TaskResult::descriptor()->FindFieldByNumber(detail);
  return field == nullptr ? "none" : field->name();
}

}  // namespace

absl::Status CheckResult(const v1::Task& task, const v1::Job& job, const v1::TaskResult& result) {
  const v1::TaskResult::DetailCase expected = ExpectedDetail(task.kind());
  if (result.detail_case() != expected) {
    return FieldError("result.detail", DetailName(result.detail_case()), DetailName(expected));
  }
  RETURN_IF_ERROR(CheckFiles(result));
  const bool writes_files = expected != v1::TaskResult::kEvaluation;
  if (writes_files && result.files().empty()) return FieldError("result.files", "none", "at least one file");
  if (expected == v1::TaskResult::kPrepare) return CheckPrepare(job, result.prepare());
  if (expected == v1::TaskResult::kBlock) return CheckBlock(task, result.block());
  if (expected == v1::TaskResult::kSweep) return CheckSweep(task, result);
  if (expected == v1::TaskResult::kEvaluation) {
    return CheckEvaluation(job.spec(), result.evaluation(), task.kind() == v1::TASK_KIND_EVALUATE_PRUNED);
  }
  return absl::OkStatus();
}

}  // namespace besa::server
