// TASK_KIND_SWEEP: a share of the calibration windows through the dense model; what they are in front of some blocks
// goes into the attempt's folder.
#pragma once

#include "absl/status/statusor.h"
#include "besa/v1/worker_service.pb.h"
#include "worker/agent/task_runner.h"
#include "worker/agent/tasks/task_environment.h"

namespace besa::worker {

absl::StatusOr<v1::TaskResult> RunSweep(const v1::Assignment& assignment, const TaskEnvironment& environment,
                                        const TaskObserver& observer);

}  // namespace besa::worker
