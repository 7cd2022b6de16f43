#include "server/scheduler/control.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "server/scheduler/gate.h"
#include "server/scheduler/job_edit.h"
#include "server/scheduler/job_state.h"
#include "server/scheduler/pending_reason.h"
#include "server/scheduler/present.h"
#include "storage/base/error_info.h"

namespace besa::server {
namespace {

// Its figures are committed, and committed is for good.
absl::Status GateWouldFail(const JobRow& job) {
  return ErrorWithInfo(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat(job.job.name(), " would fail again: ", job.job.error().message()),
                       {"GATE", {{"job", job.job.name()}}});
}

}  // namespace

Decision<v1::Job> OnCancel(JobRows rows, const Context& context) {
  JobEdit edit(std::move(rows), context);
  const v1::JobState state = edit.job().job.state();
  if (state == v1::JOB_STATE_CANCELLING || state == v1::JOB_STATE_CANCELLED) {
    return {ShowJob(edit.rows(), context), {}};
  }
  if (!IsRunnable(state)) return {WrongState(edit.job(), "cancelled"), {}};
  edit.mutable_job().job.set_state(v1::JOB_STATE_CANCELLING);
  StopWaitingTasks(edit);
  JobChanges changes = edit.Finish();
  return {ShowJob(edit.rows(), context), std::move(changes)};
}

Decision<v1::Job> OnRetry(JobRows rows, bool ignore_gates, const Context& context) {
  JobEdit edit(std::move(rows), context);
  if (edit.job().job.state() != v1::JOB_STATE_FAILED) return {WrongState(edit.job(), "retried"), {}};
  if (ignore_gates) {
    RemoveGates(*edit.mutable_job().job.mutable_spec());
  } else if (edit.job().job.error().reason() == v1::FAILURE_REASON_GATE) {
    return {GateWouldFail(edit.job()), {}};
  }
  // The leases end while the job still counts as stopped: as cancelled, whatever they were doing.
  for (size_t i = 0; i < edit.tasks().size(); ++i) {
    if (edit.tasks()[i].lease) EndLease(edit, i, {});
    if (edit.tasks()[i].task.state() == v1::TASK_STATE_COMMITTED) continue;
    edit.mutable_task(i).task.set_state(v1::TASK_STATE_BLOCKED);
  }
  JobRow& row = edit.mutable_job();
  row.started = false;
  row.publish_failures = 0;
  row.job.set_state(v1::JOB_STATE_PENDING);
  row.job.set_generation(row.job.generation() + 1);
  row.job.clear_error();
  row.job.clear_end_time();
  JobChanges changes = edit.Finish();
  return {ShowJob(edit.rows(), context), std::move(changes)};
}

Decision<Done> OnDelete(JobRows rows, const Context& context) {
  JobEdit edit(std::move(rows), context);
  if (!HasEnded(edit.job().job.state())) return {WrongState(edit.job(), "deleted"), {}};
  const bool running = AnythingLeased(edit.rows());
  edit.AddGarbage(edit.job().workspace_uri, running ? 2 * context.options.lease_term : absl::ZeroDuration());
  edit.Erase();
  return {Done{}, edit.Finish()};
}

Decision<Done> OnRefresh(JobRows rows, const Context& context) {
  const std::string reason = JobPendingReason(rows, context.fleet, /*say_queued=*/true);
  if (reason == rows.job.job.pending_reason()) return {Done{}, {}};
  rows.job.job.set_pending_reason(reason);
  rows.job.job.set_version(rows.job.job.version() + 1);
  JobChanges changes;
  v1::WatchJobResponse& event = changes.events.emplace_back();
  event.set_version(rows.job.job.version());
  *event.mutable_job() = rows.job.job;
  changes.job = std::move(rows.job);
  return {Done{}, std::move(changes)};
}

}  // namespace besa::server
