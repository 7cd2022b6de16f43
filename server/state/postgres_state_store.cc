#include "server/state/postgres_state_store.h"

#include <utility>

#include "server/state/postgres_database.h"
#include "server/state/postgres_migrations.h"
#include "storage/base/status_macros.h"

namespace besa::server {

absl::StatusOr<std::unique_ptr<PostgresStateStore>> PostgresStateStore::Open(const PostgresOptions& options,
                                                                             const Clock& clock) {
  auto database = std::make_unique<PostgresDatabase>(options.conninfo);
  RETURN_IF_ERROR(database->Write(
      [&](SqlConnection& connection) { return MigratePostgres(connection, PostgresMigrations(), clock.Now()); }));
  return std::unique_ptr<PostgresStateStore>(new PostgresStateStore(std::move(database), options.keep_events));
}

}  // namespace besa::server
