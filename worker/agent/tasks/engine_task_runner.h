// The real TaskRunner: one engine, one store, one task after the other.
#pragma once

#include <optional>

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

 private:
  const TaskEnvironment environment_;
};

}  // namespace besa::worker
