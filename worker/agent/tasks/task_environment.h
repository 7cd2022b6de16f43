// What the tasks of one worker share.
#pragma once

#include "storage/base/clock.h"
#include "storage/object/object_store.h"
#include "worker/agent/tasks/prefetch.h"
#include "worker/pruner/pruner.h"

namespace besa::worker {

// All must outlive the tasks.
struct TaskEnvironment {
  storage::ObjectStore& store;
  pruner::Engine& engine;
  const Clock& clock;
  // Reads ahead of what is pruned, if the store keeps it.
  Prefetcher* prefetcher = nullptr;
  // Whether what a block comes to is written: of ranks that prune it together, the first one does.
  bool writes = true;
};

}  // namespace besa::worker
