// TASK_KIND_PASSTHROUGH: the tensors outside the blocks, copied as they are.
#pragma once

#include "absl/status/statusor.h"
#include "besa/v1/worker_service.pb.h"
#include "worker/agent/task_runner.h"
#include "worker/agent/tasks/task_environment.h"

namespace besa::worker {

absl::StatusOr<v1::TaskResult> RunPassthrough(const v1::Assignment& assignment, const TaskEnvironment& environment,
                                              const TaskObserver& observer);

}  // namespace besa::worker
