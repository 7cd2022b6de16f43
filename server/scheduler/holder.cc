#include "server/scheduler/holder.h"

#include "absl/strings/str_cat.h"

#include "storage/base/error_info.h"

namespace besa::server {

bool Holds(const TaskRow& task, const Holder& holder) {
  return task.lease && task.lease->id == holder.lease.id() && task.lease->attempt == holder.lease.attempt() &&
         task.lease->worker == holder.worker && task.lease->incarnation == holder.incarnation;
}

absl::Status LeaseLost(const Holder& holder) {
  return ErrorWithInfo(
      absl::StatusCode::kAborted,
      absl::StrCat("attempt ", holder.lease.attempt(), " of ", holder.lease.task(), " no longer holds its lease"),
      {"LEASE_LOST", {{"task", holder.lease.task()}, {"lease", holder.lease.id()}}});
}

}  // namespace besa::server
