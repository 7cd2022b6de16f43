#include "server/program/open_state.h"

#include "absl/strings/match.h"
#include "server/state/postgres_state_store.h"
#include "server/state/sqlite_state_store.h"
#include "storage/base/status_macros.h"

namespace besa::server {

absl::StatusOr<OpenedState> OpenState(const std::string& address, const std::string& id, ChangeNotifier& notifier,
                                      const Clock& clock) {
  OpenedState opened;
  if (absl::StartsWith(address, "postgresql://") || absl::StartsWith(address, "postgres://")) {
    ASSIGN_OR_RETURN(opened.store, PostgresStateStore::Open({.conninfo = address}, clock));
    opened.wakeups = std::make_unique<PostgresWakeups>(address, id, notifier);
  } else {
    ASSIGN_OR_RETURN(opened.store, SqliteStateStore::Open({.path = address}, clock));
  }
  return opened;
}

}  // namespace besa::server
