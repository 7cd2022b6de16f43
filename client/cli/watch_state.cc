#include "client/cli/watch_state.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/cli/format.h"
#include "proto/time.h"

namespace besa::client {

void WatchState::Apply(const v1::WatchJobResponse& event, absl::Time now) {
  view.Apply(event);
  outage.reset();
  if (event.has_snapshot() || event.has_job()) job_told = now;
}

std::optional<absl::Duration> WatchState::Remaining(absl::Time now) const {
  if (view.job().state() != v1::JOB_STATE_PRUNING || !view.job().progress().has_eta()) return std::nullopt;
  return std::max(absl::ZeroDuration(), FromProto(view.job().progress().eta()) - (now - job_told));
}

std::string WaitingReason(const JobView& view) {
  if (!view.job().pending_reason().empty()) return OneLine(view.job().pending_reason());
  const v1::Task* waiting = nullptr;
  for (const v1::Task& task : view.tasks()) {
    if (task.state() == v1::TASK_STATE_LEASED) return "";
    if (waiting == nullptr && !task.pending_reason().empty()) waiting = &task;
  }
  return waiting == nullptr ? "" : OneLine(absl::StrCat(TaskLabel(*waiting), ": ", waiting->pending_reason()));
}

std::string TaskLabel(const v1::Task& task) {
  if (task.kind() == v1::TASK_KIND_PRUNE) return absl::StrCat("block ", task.block());
  return std::string(LastSegment(task.name()));
}

}  // namespace besa::client
