// TASK_KIND_EVALUATE_DENSE: perplexity of the checkpoint on each of the job's texts. TASK_KIND_EVALUATE_PRUNED: the
// same of what it becomes once the committed blocks take the place of its own, and how far that diverges from the
// checkpoint.
#pragma once

#include "absl/status/statusor.h"
#include "besa/v1/worker_service.pb.h"
#include "worker/agent/task_runner.h"
#include "worker/agent/tasks/task_environment.h"

namespace besa::worker {

absl::StatusOr<v1::TaskResult> RunEvaluate(const v1::Assignment& assignment, const TaskEnvironment& environment,
                                           const TaskObserver& observer);

}  // namespace besa::worker
