#include "server/scheduler/present.h"

#include "server/scheduler/pending_reason.h"
#include "server/scheduler/progress.h"

namespace besa::server {

v1::Task ShowTask(const JobRows& rows, const TaskRow& task, const Context& context) {
  v1::Task shown = task.task;
  if (task.lease && !task.lease->expired) *shown.mutable_progress() = task.lease->progress;
  shown.set_pending_reason(TaskPendingReason(rows, task, context.fleet));
  return shown;
}

v1::Job ShowJob(const JobRows& rows, const Context& context) {
  v1::Job shown = rows.job.job;
  *shown.mutable_progress() = ComputeProgress(rows, context.now);
  return shown;
}

v1::JobSnapshot ShowAll(const JobRows& rows, const Context& context) {
  v1::JobSnapshot snapshot;
  *snapshot.mutable_job() = ShowJob(rows, context);
  for (const TaskRow& row : rows.tasks) *snapshot.add_tasks() = ShowTask(rows, row, context);
  return snapshot;
}

}  // namespace besa::server
