#include "server/metrics/step_log.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "server/metrics/labels.h"
#include "spdlog/spdlog.h"
#include "telemetry/log_context.h"

namespace besa::server {
namespace {

int Find(const std::map<std::string, int>& counts, const std::string& task_id) {
  const auto found = counts.find(task_id);
  return found == counts.end() ? 0 : found->second;
}

void LogEnd(const v1::Attempt& attempt) {
  if (attempt.outcome() == v1::ATTEMPT_OUTCOME_COMMITTED) {
    spdlog::info("committed");
    return;
  }
  const bool bad = attempt.outcome() == v1::ATTEMPT_OUTCOME_FAILED || attempt.outcome() == v1::ATTEMPT_OUTCOME_EXPIRED;
  spdlog::log(bad ? spdlog::level::warn : spdlog::level::info, "attempt ended: {}, {}{}{}",
              OutcomeLabel(attempt.outcome()), ReasonLabel(attempt.reason()), attempt.message().empty() ? "" : ": ",
              attempt.message());
}

void LogTask(const TaskRow& row, const BeforeStep& before) {
  const int begun = Find(before.begun, row.id);
  const int ended = Find(before.ended, row.id);
  LogFields task = {{"task", row.id}};
  if (row.task.kind() == v1::TASK_KIND_PRUNE) task.emplace_back("block", absl::StrCat(row.task.block()));
  const ScopedLogFields task_scope(task);
  int seen_ended = 0;
  for (int i = 0; i < row.task.attempts_size(); ++i) {
    const v1::Attempt& attempt = row.task.attempts(i);
    const ScopedLogFields scope(LogFields{{"attempt", absl::StrCat(attempt.number())}, {"worker", attempt.worker()}});
    if (i >= begun) spdlog::info("leased");
    if (attempt.outcome() != v1::ATTEMPT_OUTCOME_UNSPECIFIED && seen_ended++ >= ended) LogEnd(attempt);
  }
}

}  // namespace

void LogStep(const BeforeStep& before, const JobChanges& changes) {
  if (!changes.job) return;
  const v1::Job& job = changes.job->job;
  LogFields fields = {{"job", job.name()}};
  if (!job.trace_id().empty()) fields.emplace_back("trace", job.trace_id());
  const ScopedLogFields scope(fields);
  for (const TaskRow& row : changes.tasks) LogTask(row, before);
  if (job.state() == before.state) return;
  if (job.state() == v1::JOB_STATE_FAILED) {
    spdlog::warn("{} -> FAILED: {}", StateLabel(before.state), job.error().message());
  } else {
    spdlog::info("{} -> {}", StateLabel(before.state), StateLabel(job.state()));
  }
}

}  // namespace besa::server
