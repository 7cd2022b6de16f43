// Finds files in the workspace that nobody will ask for any more and that the state does not list as garbage: what a
// paused worker wrote after its attempt's folder, or its job's, had been deleted.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/scheduler/coordinator.h"
#include "storage/object/object_store.h"

namespace besa::server {

// Deletes
//   - folders of jobs that have succeeded or were cancelled at least two terms ago, or that were deleted. Only of jobs
//     whose creation stands in this service's audit: a folder of anybody else's is never touched;
//   - folders of attempts that ended at least two terms ago without a commit and cannot be renewed.
// Lists the whole workspace: for every hour or so. May be repeated and run by several at once. Goes on past errors and
// returns the first.
absl::Status SweepOrphans(Coordinator& coordinator, storage::ObjectStore& store, const storage::Uri& workspace,
                          absl::Time now);

}  // namespace besa::server
