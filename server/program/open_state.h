// The state that the command line names, and what carries wake-ups between the coordinators that share it.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/scheduler/change_notifier.h"
#include "server/scheduler/postgres_wakeups.h"
#include "server/state/state_store.h"
#include "storage/base/clock.h"

namespace besa::server {

struct OpenedState {
  std::unique_ptr<StateStore> store;
  // Null for a state that is this process's alone.
  std::unique_ptr<PostgresWakeups> wakeups;
};

// `address`: a path, or "postgresql://..." or "postgres://...". `id` is fresh for each start. `notifier` must outlive
// what is returned. Errors as of SqliteStateStore::Open and PostgresStateStore::Open.
absl::StatusOr<OpenedState> OpenState(const std::string& address, const std::string& id, ChangeNotifier& notifier,
                                      const Clock& clock);

}  // namespace besa::server
