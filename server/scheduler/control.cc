#include "server/scheduler/control.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/time.h"
#include "server/scheduler/creation.h"
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

absl::Status WorkspaceExpired(const JobRow& job) {
  return ErrorWithInfo(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat(job.job.name(), " can no longer be retried: its files were kept until ",
                   absl::FormatTime(FromProto(job.job.retry_until()), absl::UTCTimeZone()), ". Create the job anew"),
      {"WORKSPACE_EXPIRED", {{"job", job.job.name()}}});
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
  if (edit.job().job.has_retry_until() && context.now >= FromProto(edit.job().job.retry_until())) {
    return {WorkspaceExpired(edit.job()), {}};
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
  row.job.clear_retry_until();
  SetDeadline(row.job, context.now);
  edit.Rescue(row.workspace_uri);
  JobChanges changes = edit.Finish();
  return {ShowJob(edit.rows(), context), std::move(changes)};
}

Decision<Done> OnDeadline(JobRows rows, const Context& context) {
  JobEdit edit(std::move(rows), context);
  const v1::Job& job = edit.job().job;
  if (!IsRunnable(job.state()) || !job.has_deadline() || context.now < FromProto(job.deadline())) return {Done{}, {}};
  v1::JobError error;
  error.set_reason(v1::FAILURE_REASON_DEADLINE);
  error.set_message(absl::StrCat("the job was not ready to be published within its time_limit of ",
                                 absl::FormatDuration(FromProto(job.time_limit())), ": ",
                                 job.progress().blocks_committed(), " of ", job.progress().blocks_total(),
                                 " blocks were"));
  FailJob(edit, error);
  return {Done{}, edit.Finish()};
}

Decision<Done> OnDelete(JobRows rows, const Context& context) {
  JobEdit edit(std::move(rows), context);
  if (!HasEnded(edit.job().job.state())) return {WrongState(edit.job(), "deleted"), {}};
  const bool running = AnythingLeased(edit.rows());
  edit.Rescue(edit.job().workspace_uri);
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
