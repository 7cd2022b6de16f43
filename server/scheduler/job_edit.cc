#include "server/scheduler/job_edit.h"

#include "server/scheduler/hook_delivery.h"
#include "server/scheduler/job_state.h"
#include "server/scheduler/pending_reason.h"
#include "server/scheduler/plan.h"
#include "server/scheduler/present.h"
#include "server/scheduler/progress.h"

namespace besa::server {

JobEdit::JobEdit(JobRows rows, const Context& context)
    : context_(context), rows_(std::move(rows)), before_(rows_.job.job) {}

std::optional<size_t> JobEdit::FindTask(absl::string_view task_id) const {
  for (size_t i = 0; i < rows_.tasks.size(); ++i) {
    if (rows_.tasks[i].id == task_id) return i;
  }
  return std::nullopt;
}

JobRow& JobEdit::mutable_job() {
  job_changed_ = true;
  return rows_.job;
}

TaskRow& JobEdit::mutable_task(size_t index) {
  tasks_changed_.insert(index);
  return rows_.tasks[index];
}

LeaseRow& JobEdit::mutable_lease(size_t index) {
  leases_changed_.insert(index);
  return *rows_.tasks[index].lease;
}

void JobEdit::AddGarbage(std::string uri, absl::Duration after) {
  garbage_.push_back({std::move(uri), context_.now + after});
}

void JobEdit::Unblock() {
  if (!IsRunnable(rows_.job.job.state())) return;
  for (size_t i = 0; i < rows_.tasks.size(); ++i) {
    if (rows_.tasks[i].task.state() != v1::TASK_STATE_BLOCKED) continue;
    if (UnmetDependencies(rows_, rows_.tasks[i]) > 0) continue;
    mutable_task(i).task.set_state(v1::TASK_STATE_PENDING);
  }
}

// Tasks first, the job last: its message then carries the version of its own event, the latest one.
void JobEdit::AddEvents(JobChanges& changes) {
  v1::Job& job = rows_.job.job;
  for (size_t i : tasks_changed_) {
    job.set_version(job.version() + 1);
    v1::WatchJobResponse& event = changes.events.emplace_back();
    event.set_version(job.version());
    *event.mutable_task() = ShowTask(rows_, rows_.tasks[i], context_);
  }
  before_.set_version(job.version());
  if (job.SerializeAsString() == before_.SerializeAsString()) return;
  job.set_version(job.version() + 1);
  v1::WatchJobResponse& event = changes.events.emplace_back();
  event.set_version(job.version());
  *event.mutable_job() = job;
}

JobChanges JobEdit::Finish() {
  JobChanges changes;
  if (erase_) {
    changes.erase = true;
    changes.garbage = std::move(garbage_);
    changes.rescued = std::move(rescued_);
    return changes;
  }
  if (job_changed_ || !tasks_changed_.empty()) {
    Unblock();
    AdvanceJob(*this);
    if (rows_.job.job.state() != before_.state()) FollowWithHook(*this);
    v1::Job& job = rows_.job.job;
    *job.mutable_progress() = ComputeProgress(rows_, context_.now);
    *job.mutable_result() = ComputeResult(rows_);
    job.set_pending_reason(JobPendingReason(rows_, context_.fleet, /*say_queued=*/false));
    AddEvents(changes);
    changes.job = rows_.job;
  }
  for (size_t i : tasks_changed_) changes.tasks.push_back(rows_.tasks[i]);
  for (size_t i : leases_changed_) {
    if (!tasks_changed_.contains(i)) changes.beats.push_back(*rows_.tasks[i].lease);
  }
  changes.garbage = std::move(garbage_);
  changes.rescued = std::move(rescued_);
  return changes;
}

}  // namespace besa::server
