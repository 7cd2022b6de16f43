// The tables in SQLite.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "server/state/sql_migrations.h"
#include "server/state/sqlite_connection.h"

namespace besa::server {

// Ascending from 1.
const std::vector<SqlMigration>& SqliteMigrations();

// In one transaction. Errors as MigrateSql.
absl::Status MigrateSqlite(SqliteConnection& connection, const std::vector<SqlMigration>& migrations, absl::Time now);

}  // namespace besa::server
