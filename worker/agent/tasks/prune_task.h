// TASK_KIND_PRUNE: one block through the pruner; then, in the ending, its tensors and allocation into the attempt's
// folder.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "besa/v1/worker_service.pb.h"
#include "worker/agent/task_runner.h"
#include "worker/agent/tasks/task_environment.h"

namespace besa::worker {

absl::StatusOr<TaskEnding> ComputePrune(const v1::Assignment& assignment, const TaskEnvironment& environment,
                                        const TaskObserver& observer);

// This rank's of several blocks, one for each rank of the group, one right behind the other. The files are written by
// every rank. nullopt: the cost model says that all ranks together are faster (Engine::ChooseForGroup).
absl::StatusOr<std::optional<TaskEnding>> ComputeOwnBlock(const std::vector<v1::Assignment>& assignments, size_t rank,
                                                          const TaskEnvironment& environment,
                                                          const TaskObserver& observer);

// Where the engine's activations stand, in the protocol's terms.
std::optional<v1::Cursor> CursorOf(const pruner::Engine& engine);

}  // namespace besa::worker
