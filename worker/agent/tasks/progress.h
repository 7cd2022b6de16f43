// Progress of a task, from the pruner's terms to the protocol's.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "besa/v1/task.pb.h"
#include "worker/agent/task_runner.h"
#include "worker/pruner/pruner.h"

namespace besa::worker {

v1::TaskProgress MakeProgress(absl::string_view stage, int64_t step, int64_t steps);

// `observer` must outlive what is returned.
pruner::Observer EngineObserver(const TaskObserver& observer);

}  // namespace besa::worker
