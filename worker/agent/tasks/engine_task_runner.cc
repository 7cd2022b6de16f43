#include "worker/agent/tasks/engine_task_runner.h"

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cost/job_options.h"
#include "storage/base/status_macros.h"
#include "worker/agent/tasks/evaluate_task.h"
#include "worker/agent/tasks/passthrough_task.h"
#include "worker/agent/tasks/prepare_task.h"
#include "worker/agent/tasks/prune_task.h"
#include "worker/agent/tasks/sweep_task.h"

namespace besa::worker {
namespace {

absl::StatusOr<TaskEnding> FinishedIf(absl::StatusOr<v1::TaskResult> result) {
  if (!result.ok()) return std::move(result).status();
  return Finished(*std::move(result));
}

absl::StatusOr<TaskEnding> ComputeByKind(const v1::Assignment& assignment, const TaskEnvironment& environment,
                                         const TaskObserver& observer) {
  switch (assignment.kind()) {
    case v1::TASK_KIND_PREPARE:
      return FinishedIf(RunPrepare(assignment, environment, observer));
    case v1::TASK_KIND_PRUNE:
      return ComputePrune(assignment, environment, observer);
    case v1::TASK_KIND_SWEEP:
      return FinishedIf(RunSweep(assignment, environment, observer));
    case v1::TASK_KIND_PASSTHROUGH:
      return TaskEnding([&assignment, environment](const TaskObserver& beside) {
        return RunPassthrough(assignment, environment, beside);
      });
    case v1::TASK_KIND_EVALUATE_DENSE:
    case v1::TASK_KIND_EVALUATE_PRUNED:
      return FinishedIf(RunEvaluate(assignment, environment, observer));
    default:
      return absl::InternalError(absl::StrCat("this worker knows no task of kind ", assignment.kind()));
  }
}

template <typename T>
absl::StatusOr<T> CatchExceptions(const v1::Assignment& assignment, absl::FunctionRef<absl::StatusOr<T>()> work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat(assignment.lease().task(), ": out of host memory"));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat(assignment.lease().task(), ": ", error.what()));
  }
}

}  // namespace

absl::StatusOr<TaskEnding> EngineTaskRunner::Compute(const v1::Assignment& assignment, const TaskObserver& observer) {
  absl::StatusOr<TaskEnding> ending =
      CatchExceptions<TaskEnding>(assignment, [&] { return ComputeByKind(assignment, environment_, observer); });
  if (!ending.ok()) return ending;
  std::string numerics = environment_.engine.NumericsClass(cost::ComputeTypeOf(assignment.spec()));
  return TaskEnding(
      [&assignment, numerics = std::move(numerics), end = *std::move(ending)](const TaskObserver& beside) mutable {
        auto result = CatchExceptions<v1::TaskResult>(assignment, [&] { return std::move(end)(beside); });
        if (result.ok()) result->set_numerics(std::move(numerics));
        return result;
      });
}

absl::StatusOr<std::optional<v1::TaskResult>> EngineTaskRunner::RunOwnBlock(
    const std::vector<v1::Assignment>& assignments, size_t rank, const TaskObserver& observer) {
  using Result = std::optional<v1::TaskResult>;
  return CatchExceptions<Result>(assignments.at(rank), [&]() -> absl::StatusOr<Result> {
    ASSIGN_OR_RETURN(std::optional<TaskEnding> ending, ComputeOwnBlock(assignments, rank, environment_, observer));
    if (!ending) return std::nullopt;
    ASSIGN_OR_RETURN(v1::TaskResult result, (*std::move(ending))(observer));
    // Its bits are not those of a block that all ranks prune together.
    std::string numerics = environment_.engine.NumericsClass(cost::ComputeTypeOf(assignments[rank].spec()));
    absl::StrReplaceAll({{"; ranks ", "; a block each, ranks "}}, &numerics);
    result.set_numerics(std::move(numerics));
    return result;
  });
}

std::optional<v1::Cursor> EngineTaskRunner::cursor() const { return CursorOf(environment_.engine); }

}  // namespace besa::worker
