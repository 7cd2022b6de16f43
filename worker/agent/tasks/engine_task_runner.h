// The real TaskRunner: one engine, one store, one task after the other.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/agent/task_runner.h"
#include "worker/agent/tasks/task_environment.h"

namespace besa::worker {

class EngineTaskRunner final : public TaskRunner {
 public:
  explicit EngineTaskRunner(const TaskEnvironment& environment) : environment_(environment) {}

  // Exceptions of whatever runs below, and in the ending, end here: out of memory is RESOURCE_EXHAUSTED, others are
  // INTERNAL.
  absl::StatusOr<TaskEnding> Compute(const v1::Assignment& assignment, const TaskObserver& observer) override;
  std::optional<v1::Cursor> cursor() const override;

  // In a group: the block of this rank, computed and written. nullopt: the ranks had rather prune all of them together.
  absl::StatusOr<std::optional<v1::TaskResult>> RunOwnBlock(const std::vector<v1::Assignment>& assignments, size_t rank,
                                                            const TaskObserver& observer);

 private:
  const TaskEnvironment environment_;
};

}  // namespace besa::worker
