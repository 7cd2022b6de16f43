// Deletes the folders that the scheduler no longer needs: workspaces of jobs that ended, files of attempts that lost.
#pragma once

#include "absl/status/status.h"
#include "server/scheduler/coordinator.h"
#include "storage/object/object_store.h"

namespace besa::server {

// Deletes what is due now (the scheduler lists no folder of a live lease). Folders outside `workspace` are never
// touched, whatever the state says. May be repeated and run by several at once; goes on past errors and returns the
// first. All must outlive the call.
absl::Status Sweep(Coordinator& coordinator, storage::ObjectStore& store, const storage::Uri& workspace);

}  // namespace besa::server
