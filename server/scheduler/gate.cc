#include "server/scheduler/gate.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "server/scheduler/progress.h"

namespace besa::server {
namespace {

v1::TextEvaluation FiguresOf(const v1::JobResult& result, const std::string& text) {
  for (const v1::TextEvaluation& figures : result.evaluations()) {
    if (figures.name() == text) return figures;
  }
  return {};
}

void CheckText(const v1::EvaluationSpec& spec, const v1::TextEvaluation& figures, std::vector<std::string>& failures) {
  if (spec.max_perplexity() == 0 && spec.max_ratio() == 0) return;
  if (!figures.has_dense() || !figures.has_pruned()) {
    failures.push_back(absl::StrCat(spec.name(), ": not measured"));
    return;
  }
  const double dense = figures.dense().perplexity();
  const double pruned = figures.pruned().perplexity();
  if (spec.max_perplexity() > 0 && pruned > spec.max_perplexity()) {
    failures.push_back(absl::StrCat(spec.name(), ": perplexity ", pruned, " of the pruned model is above ",
                                    spec.max_perplexity(), " (dense ", dense, ")"));
  }
  if (spec.max_ratio() > 0 && pruned > spec.max_ratio() * dense) {
    failures.push_back(absl::StrCat(spec.name(), ": perplexity ", pruned, " of the pruned model is ", pruned / dense,
                                    " times the dense model's ", dense, ", above ", spec.max_ratio(), " times"));
  }
}

}  // namespace

std::optional<v1::JobError> FailedGates(const JobRows& rows) {
  const v1::JobResult result = ComputeResult(rows);
  std::vector<std::string> failures;
  for (const v1::EvaluationSpec& text : rows.job.job.spec().evaluations()) {
    CheckText(text, FiguresOf(result, text.name()), failures);
  }
  if (failures.empty()) return std::nullopt;
  v1::JobError error;
  error.set_reason(v1::FAILURE_REASON_GATE);
  error.set_message(absl::StrCat("the gate is shut: ", absl::StrJoin(failures, "; "),
                                 ". Nothing was published; the blocks are kept: a retry that ignores the gates "
                                 "publishes them as they are"));
  const auto pruned = std::find_if(rows.tasks.begin(), rows.tasks.end(),
                                   [](const TaskRow& row) { return row.task.kind() == v1::TASK_KIND_EVALUATE_PRUNED; });
  if (pruned != rows.tasks.end()) error.set_task(pruned->task.name());
  return error;
}

void RemoveGates(v1::JobSpec& spec) {
  for (v1::EvaluationSpec& text : *spec.mutable_evaluations()) {
    text.clear_max_perplexity();
    text.clear_max_ratio();
  }
}

}  // namespace besa::server
