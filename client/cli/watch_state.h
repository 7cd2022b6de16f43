// What a display of a watch shows. Pure: time comes in with each call.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "client/job_view.h"
#include "client/job_watch.h"

namespace besa::client {

struct WatchState {
  JobView view;
  // Set while the connection is lost.
  std::optional<Outage> outage;
  // When the job's remaining time was last told.
  absl::Time job_told;

  // Takes in an event that came at `now`.
  void Apply(const v1::WatchJobResponse& event, absl::Time now);

  // The expected time to the end of pruning as of `now`; none while unknown.
  std::optional<absl::Duration> Remaining(absl::Time now) const;
};

// Why nothing happens, if nothing does: the job's reason or a waiting task's. Empty otherwise.
std::string WaitingReason(const JobView& view);

// "block 3" of a prune task, "evaluate-dense" of that.
std::string TaskLabel(const v1::Task& task);

}  // namespace besa::client
