// What the agent needs of whoever does the work.
#pragma once

#include <functional>
#include <optional>

#include "absl/status/statusor.h"
#include "besa/v1/task.pb.h"
#include "besa/v1/worker_service.pb.h"

namespace besa::worker {

// Called between steps with the latest progress. Returning false asks the task to stop with CANCELLED.
using TaskObserver = std::function<bool(const v1::TaskProgress&)>;

// Called from one thread.
class TaskRunner {
 public:
  virtual ~TaskRunner() = default;

  // Runs the task to its end: afterwards its files lie in assignment.attempt_uri(). The result lacks `attempt` and
  // `attempt_uri`, which the coordinator sets. What an error means to the job says FailureReasonOf.
  virtual absl::StatusOr<v1::TaskResult> Run(const v1::Assignment& assignment, const TaskObserver& observer) = 0;

  // The activations that the worker holds, to be told when it asks for work.
  virtual std::optional<v1::Cursor> cursor() const = 0;
};

}  // namespace besa::worker
