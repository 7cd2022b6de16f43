// What a step of the scheduler knows beside the rows of the job: the time, the fleet, the settings.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "server/scheduler/options.h"
#include "server/state/state_store.h"

namespace besa::server {

struct Context {
  absl::Time now;
  FleetSummary fleet;
  SchedulerOptions options;
};

// The outcome of a step: what the caller is told and what changes. An error may come with changes, too: a commit that
// arrives after a cancel is refused and yet ends its lease.
template <class Reply>
struct Decision {
  absl::StatusOr<Reply> reply;
  JobChanges changes;
};

// The reply of a step that has nothing to say.
struct Done {};

}  // namespace besa::server
