#include "server/scheduler/progress.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"

#include "proto/time.h"
#include "server/scheduler/attempts.h"

namespace besa::server {
namespace {

bool Committed(const TaskRow& row) { return row.task.state() == v1::TASK_STATE_COMMITTED; }

std::optional<absl::Duration> Eta(const JobRows& rows, absl::Time now) {
  absl::Time first_start = absl::InfiniteFuture();
  absl::Time last_commit = absl::InfinitePast();
  int committed = 0;
  int remaining = 0;
  for (const TaskRow& row : rows.tasks) {
    if (row.task.kind() != v1::TASK_KIND_PRUNE) continue;
    if (!Committed(row)) ++remaining;
    for (const v1::Attempt& attempt : row.task.attempts()) {
      if (attempt.generation() != rows.job.job.generation()) continue;
      first_start = std::min(first_start, FromProto(attempt.start_time()));
      if (attempt.outcome() != v1::ATTEMPT_OUTCOME_COMMITTED) continue;
      ++committed;
      last_commit = std::max(last_commit, FromProto(attempt.end_time()));
    }
  }
  if (committed == 0 || remaining == 0) return std::nullopt;
  const absl::Duration work = (last_commit - first_start) / committed * remaining;
  return std::max(work - (now - last_commit), absl::ZeroDuration());
}

// The entry of the text of that name, appended if there is none yet.
v1::TextEvaluation& OfText(const std::string& name, v1::JobResult& result) {
  for (v1::TextEvaluation& text : *result.mutable_evaluations()) {
    if (text.name() == name) return text;
  }
  v1::TextEvaluation& text = *result.add_evaluations();
  text.set_name(name);
  return text;
}

// Failed and lost attempts held their device, too.
void AddDeviceSeconds(const v1::Task& task, v1::JobResult& result) {
  for (const v1::Attempt& attempt : task.attempts()) {
    if (!attempt.has_end_time()) continue;
    // A wall clock that was set back in between must not make it less.
    const double seconds =
        std::max(absl::ToDoubleSeconds(FromProto(attempt.end_time()) - FromProto(attempt.start_time())), 0.0);
    result.set_device_seconds(result.device_seconds() + seconds);
    if (absl::StartsWith(attempt.device(), "cuda")) result.set_gpu_seconds(result.gpu_seconds() + seconds);
  }
}

}  // namespace

v1::JobProgress ComputeProgress(const JobRows& rows, absl::Time now) {
  v1::JobProgress progress;
  int64_t zeros = 0;
  int64_t weights = 0;
  for (const TaskRow& row : rows.tasks) {
    const bool block = row.task.kind() == v1::TASK_KIND_PRUNE;
    progress.set_tasks_total(progress.tasks_total() + 1);
    if (block) progress.set_blocks_total(progress.blocks_total() + 1);
    if (!Committed(row)) continue;
    progress.set_tasks_committed(progress.tasks_committed() + 1);
    if (!block) continue;
    progress.set_blocks_committed(progress.blocks_committed() + 1);
    zeros += row.task.result().block().zeros();
    weights += row.task.result().block().weights();
  }
  if (weights > 0) progress.set_sparsity(static_cast<double>(zeros) / static_cast<double>(weights));
  if (const std::optional<absl::Duration> eta = Eta(rows, now)) {
    // Whole seconds: more would only make every message differ from the one before.
    progress.mutable_eta()->set_seconds(absl::ToInt64Seconds(*eta + absl::Milliseconds(500)));
  }
  return progress;
}

v1::JobResult ComputeResult(const JobRows& rows) {
  v1::JobResult result;
  for (const TaskRow& row : rows.tasks) {
    AddDeviceSeconds(row.task, result);
    if (!Committed(row)) continue;
    const v1::TaskResult& part = row.task.result();
    if (row.task.kind() == v1::TASK_KIND_PRUNE) {
      result.set_zeros(result.zeros() + part.block().zeros());
      result.set_weights(result.weights() + part.block().weights());
    } else if (row.task.kind() == v1::TASK_KIND_EVALUATE_DENSE) {
      for (const v1::Perplexity& text : part.evaluation().texts()) *OfText(text.name(), result).mutable_dense() = text;
    } else if (row.task.kind() == v1::TASK_KIND_EVALUATE_PRUNED) {
      for (const v1::Perplexity& text : part.evaluation().texts()) *OfText(text.name(), result).mutable_pruned() = text;
    }
    for (const v1::StageSeconds& stage : part.stages()) {
      auto& stages = *result.mutable_stages();
      const auto found = std::find_if(stages.begin(), stages.end(),
                                      [&](const v1::StageSeconds& other) { return other.stage() == stage.stage(); });
      if (found != stages.end()) {
        found->set_seconds(found->seconds() + stage.seconds());
      } else {
        *result.add_stages() = stage;
      }
    }
  }
  if (result.weights() > 0) {
    result.set_sparsity(static_cast<double>(result.zeros()) / static_cast<double>(result.weights()));
  }
  return result;
}

}  // namespace besa::server
