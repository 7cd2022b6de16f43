// TASK_KIND_PREPARE: texts become windows of token ids, inputs get fingerprints, memory is planned.
#pragma once

#include "absl/status/statusor.h"
#include "besa/v1/worker_service.pb.h"
#include "worker/agent/task_runner.h"
#include "worker/agent/tasks/task_environment.h"

namespace besa::worker {

// The observer hears "tokenize" with bytes of the text file. Errors name the field of the spec.
absl::StatusOr<v1::TaskResult> RunPrepare(const v1::Assignment& assignment, const TaskEnvironment& environment,
                                          const TaskObserver& observer);

}  // namespace besa::worker
