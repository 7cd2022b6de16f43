// What the tasks of one worker share.
#pragma once

#include "storage/base/clock.h"
#include "storage/object/object_store.h"
#include "worker/pruner/pruner.h"

namespace besa::worker {

// All must outlive the tasks.
struct TaskEnvironment {
  storage::ObjectStore& store;
  pruner::Engine& engine;
  const Clock& clock;
};

}  // namespace besa::worker
