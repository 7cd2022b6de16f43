// What every gRPC service of the coordinator works with.
#pragma once

#include "server/api/drain.h"
#include "server/api/task_pool.h"
#include "server/hooks/endpoints.h"
#include "server/scheduler/change_notifier.h"
#include "server/scheduler/coordinator.h"
#include "storage/base/clock.h"
#include "storage/object/object_store.h"

namespace besa::server {

// All must outlive the services.
struct ServiceContext {
  Coordinator& coordinator;
  ChangeNotifier& notifier;
  const Clock& clock;
  // Confined to the folders that requests may name.
  storage::ObjectStore& store;
  // Where the workspaces of jobs lie: off limits to requests.
  storage::Uri workspace;
  // Which completion hooks jobs may have.
  Endpoints hooks;
  // For calls that take milliseconds.
  TaskPool& quick;
  // For calls that read checkpoints: kept apart, so that heartbeats never wait behind them.
  TaskPool& slow;
  Drain& drain;
};

}  // namespace besa::server
