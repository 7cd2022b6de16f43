// A worker's part, played for the tiny checkpoint: real files of the right names and shapes, without any computing.
#pragma once

#include "besa/v1/task.pb.h"
#include "besa/v1/worker_service.pb.h"
#include "storage/object/object_store.h"

namespace besa::server::testing {

// Writes the files of the assignment's task into its attempt's folder and returns the result to commit. "Pruning" sets
// every second weight of a linear to zero. Aborts if it cannot write.
v1::TaskResult RunScriptedTask(storage::ObjectStore& store, const v1::Assignment& assignment);

}  // namespace besa::server::testing
