// Whether a result fits its task.
#pragma once

#include "absl/status/status.h"
#include "besa/v1/task.pb.h"

namespace besa::server {

// INVALID_ARGUMENT naming field and value: another kind of result or another block, a file that is not below the
// attempt's folder or has no hash, figures that contradict each other, or figures of other texts than the spec's.
absl::Status CheckResult(const v1::Task& task, const v1::Job& job, const v1::TaskResult& result);

}  // namespace besa::server
