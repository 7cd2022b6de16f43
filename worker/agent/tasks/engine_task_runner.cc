#include "worker/agent/tasks/engine_task_runner.h"

#include <exception>
#include <new>

#include "absl/strings/str_cat.h"
#include "cost/job_options.h"
#include "worker/agent/tasks/evaluate_task.h"
#include "worker/agent/tasks/passthrough_task.h"
#include "worker/agent/tasks/prepare_task.h"
#include "worker/agent/tasks/prune_task.h"
#include "worker/agent/tasks/sweep_task.h"

namespace besa::worker {
namespace {

absl::StatusOr<v1::TaskResult> RunByKind(const v1::Assignment& assignment, const TaskEnvironment& environment,
                                         const TaskObserver& observer) {
  switch (assignment.kind()) {
    case v1::TASK_KIND_PREPARE:
      return RunPrepare(assignment, environment, observer);
    case v1::TASK_KIND_PRUNE:
      return RunPrune(assignment, environment, observer);
    case v1::TASK_KIND_SWEEP:
      return RunSweep(assignment, environment, observer);
    case v1::TASK_KIND_PASSTHROUGH:
      return RunPassthrough(assignment, environment, observer);
    case v1::TASK_KIND_EVALUATE_DENSE:
    case v1::TASK_KIND_EVALUATE_PRUNED:
      return RunEvaluate(assignment, environment, observer);
    default:
      return absl::InternalError(absl::StrCat("this worker knows no task of kind ", assignment.kind()));
  }
}

}  // namespace

absl::StatusOr<v1::TaskResult> EngineTaskRunner::Run(const v1::Assignment& assignment, const TaskObserver& observer) {
  try {
    auto result = RunByKind(assignment, environment_, observer);
    if (result.ok()) result->set_numerics(environment_.engine.NumericsClass(cost::ComputeTypeOf(assignment.spec())));
    return result;
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat(assignment.lease().task(), ": out of host memory"));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat(assignment.lease().task(), ": ", error.what()));
  }
}

std::optional<v1::Cursor> EngineTaskRunner::cursor() const { return CursorOf(environment_.engine); }

}  // namespace besa::worker
