#include "server/scheduler/pending_reason.h"

#include "absl/strings/str_cat.h"

#include "server/scheduler/job_state.h"
#include "server/scheduler/plan.h"
#include "storage/base/format_bytes.h"

namespace besa::server {
namespace {

std::string Count(int64_t number, absl::string_view noun) {
  return absl::StrCat(number, " ", noun, number == 1 ? "" : "s");
}

bool FitsSomebody(const TaskRow& task, const FleetSummary& fleet) {
  return fleet.workers > 0 && task.task.memory_bytes() <= fleet.largest_memory_bytes;
}

}  // namespace

std::string TaskPendingReason(const JobRows& rows, const TaskRow& task, const FleetSummary& fleet) {
  if (task.task.state() == v1::TASK_STATE_BLOCKED) {
    return absl::StrCat("waits for ", Count(UnmetDependencies(rows, task), "task"));
  }
  if (task.task.state() != v1::TASK_STATE_PENDING) return "";
  if (fleet.workers == 0 && fleet.draining > 0) {
    return absl::StrCat(fleet.draining == 1 ? "the one connected worker drains"
                                            : absl::StrCat("all ", fleet.draining, " connected workers drain"));
  }
  if (fleet.workers == 0) return "no workers are connected";
  if (!FitsSomebody(task, fleet)) {
    return absl::StrCat("needs ", FormatBytes(task.task.memory_bytes()), " of device memory, the largest worker has ",
                        FormatBytes(fleet.largest_memory_bytes));
  }
  return absl::StrCat("waits for one of ", Count(fleet.workers, "worker"), " to become free");
}

std::string JobPendingReason(const JobRows& rows, const FleetSummary& fleet, bool say_queued) {
  if (!IsRunnable(rows.job.job.state()) || AnythingLeased(rows)) return "";
  const TaskRow* first = nullptr;
  for (const TaskRow& row : rows.tasks) {
    if (row.task.state() != v1::TASK_STATE_PENDING) continue;
    if (first == nullptr) first = &row;
    if (FitsSomebody(row, fleet)) {
      return say_queued || !rows.job.started ? TaskPendingReason(rows, row, fleet) : "";
    }
  }
  if (first == nullptr) return "";
  const std::string reason = TaskPendingReason(rows, *first, fleet);
  return fleet.workers == 0 ? reason : absl::StrCat("task ", first->id, " ", reason);
}

}  // namespace besa::server
