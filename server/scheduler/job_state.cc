#include "server/scheduler/job_state.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "proto/time.h"
#include "server/scheduler/gate.h"
#include "server/scheduler/plan.h"
#include "storage/base/error_info.h"

namespace besa::server {
namespace {

bool AllCommitted(const JobRows& rows, bool (*of_interest)(v1::TaskKind)) {
  return std::all_of(rows.tasks.begin(), rows.tasks.end(), [&](const TaskRow& row) {
    return !of_interest(row.task.kind()) || row.task.state() == v1::TASK_STATE_COMMITTED;
  });
}

v1::JobState StageOf(const JobRows& rows) {
  if (AllCommitted(rows, [](v1::TaskKind) { return true; })) return v1::JOB_STATE_PUBLISHING;
  if (!rows.job.started) return v1::JOB_STATE_PENDING;
  if (PrepareTask(rows.tasks).task.state() != v1::TASK_STATE_COMMITTED) return v1::JOB_STATE_PREPARING;
  const auto makes_output = [](v1::TaskKind kind) {
    return kind == v1::TASK_KIND_PRUNE || kind == v1::TASK_KIND_PASSTHROUGH;
  };
  return AllCommitted(rows, makes_output) ? v1::JOB_STATE_EVALUATING : v1::JOB_STATE_PRUNING;
}

// Whoever was lost sent no log: then it is the log of the last attempt that did.
v1::JobError ErrorOf(const TaskRow& row, const AttemptEnd& end, absl::string_view message) {
  v1::JobError error;
  error.set_reason(end.reason);
  error.set_message(std::string(message));
  error.set_task(row.task.name());
  for (auto attempt = row.task.attempts().rbegin(); attempt != row.task.attempts().rend(); ++attempt) {
    if (attempt->log_tail().empty()) continue;
    *error.mutable_log_tail() = attempt->log_tail();
    break;
  }
  return error;
}

// The files of an attempt that lost may still be being written for a while.
void DropLease(JobEdit& edit, size_t index) {
  TaskRow& row = edit.mutable_task(index);
  edit.AddGarbage(AttemptUri(edit.job(), row.id, row.lease->attempt), 2 * edit.context().options.lease_term);
  row.lease.reset();
}

// Closes the attempt and says what becomes of the task; the lease is still there.
void CloseAttempt(JobEdit& edit, size_t index, const AttemptEnd& end) {
  TaskRow& row = edit.mutable_task(index);
  if (IsStopped(edit.job().job.state())) {
    EndAttempt(row.task, row.lease->attempt, {v1::ATTEMPT_OUTCOME_CANCELLED, v1::FAILURE_REASON_CANCELLED},
               edit.context().now);
    row.task.set_state(v1::TASK_STATE_CANCELLED);
    return;
  }
  EndAttempt(row.task, row.lease->attempt, end, edit.context().now);
  row.task.set_state(v1::TASK_STATE_PENDING);
  const int32_t counted = CountedAttempts(row.task, edit.job().job.generation());
  if (counted < edit.context().options.max_attempts) return;
  row.task.set_state(v1::TASK_STATE_FAILED);
  FailJob(edit, ErrorOf(row, end,
                        absl::StrCat("task ", row.id, " failed after ", counted, " attempts (",
                                     CountedReasons(row.task, edit.job().job.generation()), "), the last on ",
                                     row.lease->worker, ": ", end.message)));
}

}  // namespace

bool IsRunnable(v1::JobState state) {
  return state == v1::JOB_STATE_PENDING || state == v1::JOB_STATE_PREPARING || state == v1::JOB_STATE_PRUNING ||
         state == v1::JOB_STATE_EVALUATING;
}

bool HasEnded(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED || state == v1::JOB_STATE_CANCELLED;
}

bool IsStopped(v1::JobState state) {
  return state == v1::JOB_STATE_CANCELLING || state == v1::JOB_STATE_CANCELLED || state == v1::JOB_STATE_FAILED;
}

bool AnythingLeased(const JobRows& rows) {
  return std::any_of(rows.tasks.begin(), rows.tasks.end(),
                     [](const TaskRow& row) { return row.task.state() == v1::TASK_STATE_LEASED; });
}

void AdvanceJob(JobEdit& edit) {
  const v1::JobState state = edit.job().job.state();
  if (IsRunnable(state)) {
    const v1::JobState stage = StageOf(edit.rows());
    if (stage == v1::JOB_STATE_PUBLISHING) {
      if (const auto error = FailedGates(edit.rows())) {
        FailJob(edit, *error);
        return;
      }
    }
    if (stage != state) edit.mutable_job().job.set_state(stage);
  } else if (state == v1::JOB_STATE_CANCELLING && !AnythingLeased(edit.rows())) {
    v1::Job& job = edit.mutable_job().job;
    job.set_state(v1::JOB_STATE_CANCELLED);
    *job.mutable_end_time() = ToProto(edit.context().now);
    edit.AddGarbage(edit.job().workspace_uri, 2 * edit.context().options.lease_term);
  }
}

void FailJob(JobEdit& edit, const v1::JobError& error) {
  JobRow& row = edit.mutable_job();
  row.job.set_state(v1::JOB_STATE_FAILED);
  *row.job.mutable_error() = error;
  *row.job.mutable_end_time() = ToProto(edit.context().now);
  row.publisher.clear();
  const SchedulerOptions& options = edit.context().options;
  *row.job.mutable_retry_until() = ToProto(edit.context().now + options.keep_failed);
  // Somewhat later, so that no retry of the last moment finds its files being deleted.
  edit.AddGarbage(row.workspace_uri, options.keep_failed + 2 * options.lease_term);
  StopWaitingTasks(edit);
}

void StopWaitingTasks(JobEdit& edit) {
  for (size_t i = 0; i < edit.tasks().size(); ++i) {
    const v1::TaskState state = edit.tasks()[i].task.state();
    if (state != v1::TASK_STATE_BLOCKED && state != v1::TASK_STATE_PENDING) continue;
    if (edit.tasks()[i].lease) DropLease(edit, i);
    edit.mutable_task(i).task.set_state(v1::TASK_STATE_CANCELLED);
  }
}

void StartLease(JobEdit& edit, size_t index, const LeaseTaker& taker) {
  const absl::Time now = edit.context().now;
  if (edit.tasks()[index].lease) DropLease(edit, index);
  JobRow& job = edit.mutable_job();
  job.started = true;
  if (!job.job.has_start_time()) *job.job.mutable_start_time() = ToProto(now);

  TaskRow& row = edit.mutable_task(index);
  row.task.set_state(v1::TASK_STATE_LEASED);
  LeaseRow& lease = row.lease.emplace();
  lease.attempt = StartAttempt(row.task, job.job.generation(), taker.worker, taker.device, now);
  lease.id = LeaseId(job.id, row.id, lease.attempt);
  lease.worker = taker.worker;
  lease.incarnation = taker.incarnation;
  lease.request_id = taker.request_id;
  lease.beat_time = now;
}

void EndLease(JobEdit& edit, size_t index, const AttemptEnd& end) {
  CloseAttempt(edit, index, end);
  if (edit.tasks()[index].lease) DropLease(edit, index);
}

void ExpireLease(JobEdit& edit, size_t index, const AttemptEnd& end) {
  CloseAttempt(edit, index, end);
  TaskRow& row = edit.mutable_task(index);
  if (row.task.state() == v1::TASK_STATE_PENDING) {
    row.lease->expired = true;
  } else if (row.lease) {
    DropLease(edit, index);
  }
}

void RenewLease(JobEdit& edit, size_t index) {
  TaskRow& row = edit.mutable_task(index);
  ReopenAttempt(row.task, row.lease->attempt);
  row.task.set_state(v1::TASK_STATE_LEASED);
  row.lease->expired = false;
  ++row.lease->beat;
  row.lease->beat_time = edit.context().now;
}

void FailTask(JobEdit& edit, size_t index, const AttemptEnd& end) {
  TaskRow& row = edit.mutable_task(index);
  EndAttempt(row.task, row.lease->attempt, end, edit.context().now);
  DropLease(edit, index);
  row.task.set_state(v1::TASK_STATE_FAILED);
  FailJob(edit, ErrorOf(row, end, absl::StrCat("task ", row.id, ": ", end.message)));
}

absl::Status WrongState(const JobRow& job, absl::string_view action) {
  const std::string state = v1::JobState_Name(job.job.state()).substr(sizeof("JOB_STATE_") - 1);
  return ErrorWithInfo(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat(job.job.name(), " cannot be ", action, ": it is ", state),
                       {"JOB_STATE", {{"job", job.job.name()}, {"state", state}}});
}

}  // namespace besa::server
