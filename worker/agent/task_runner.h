// What the agent needs of whoever does the work.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "besa/v1/task.pb.h"
#include "besa/v1/worker_service.pb.h"
#include "telemetry/log_context.h"

namespace besa::worker {

// Called between steps with the latest progress. Returning false asks the task to stop with CANCELLED.
using TaskObserver = std::function<bool(const v1::TaskProgress&)>;

// What is left of a task that needs the device no more: writing its files. Called once, from any thread, also while the
// next task computes. The result lacks `attempt` and `attempt_uri`, which the coordinator sets.
using TaskEnding = absl::AnyInvocable<absl::StatusOr<v1::TaskResult>(const TaskObserver&) &&>;

// Nothing is left: all files are written.
inline TaskEnding Finished(v1::TaskResult result) {
  return [result = std::move(result)](const TaskObserver&) mutable -> absl::StatusOr<v1::TaskResult> {
    return std::move(result);
  };
}

// One of several blocks that a worker got at once; `assignment` and `observer` outlive its ending.
struct BlockToPrune {
  const v1::Assignment* assignment = nullptr;
  const TaskObserver* observer = nullptr;
  // Of the lines that are logged for it.
  LogFields log_fields;
};

// Called with the number of a block, once for each, as soon as it needs the device no more.
using EndingTaker = std::function<void(size_t block, absl::StatusOr<TaskEnding> ending)>;

// Called from one thread.
class TaskRunner {
 public:
  virtual ~TaskRunner() = default;

  // Runs the task for as long as it needs the device. After the ending that is returned its files lie in
  // assignment.attempt_uri(). The assignment outlives the ending. What an error of either means to the job says
  // FailureReasonOf.
  virtual absl::StatusOr<TaskEnding> Compute(const v1::Assignment& assignment, const TaskObserver& observer) = 0;

  // How many blocks of one job, one right behind the other, it can take at once.
  virtual int most_blocks() const { return 1; }

  // Computes several such blocks, by default one after the other. An observer's false stops its own block, as far as
  // that can be stopped alone.
  virtual void ComputeSeveral(const std::vector<BlockToPrune>& blocks, const EndingTaker& take) {
    for (size_t i = 0; i < blocks.size(); ++i) {
      absl::StatusOr<TaskEnding> ending = absl::UnknownError("");
      {
        const ScopedLogFields fields(blocks[i].log_fields);
        ending = Compute(*blocks[i].assignment, *blocks[i].observer);
      }
      take(i, std::move(ending));
    }
  }

  // Both, one after the other.
  absl::StatusOr<v1::TaskResult> Run(const v1::Assignment& assignment, const TaskObserver& observer) {
    absl::StatusOr<TaskEnding> ending = Compute(assignment, observer);
    if (!ending.ok()) return ending.status();
    return (*std::move(ending))(observer);
  }

  // The activations that the worker holds, to be told when it asks for work.
  virtual std::optional<v1::Cursor> cursor() const = 0;
};

}  // namespace besa::worker
