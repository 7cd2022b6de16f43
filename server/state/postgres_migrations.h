// The tables in PostgreSQL.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "server/state/sql_connection.h"
#include "server/state/sql_migrations.h"

namespace besa::server {

// Ascending from 1.
const std::vector<SqlMigration>& PostgresMigrations();

// To be called inside a transaction; coordinators that start together wait for each other. Errors as MigrateSql.
absl::Status MigratePostgres(SqlConnection& connection, const std::vector<SqlMigration>& migrations, absl::Time now);

}  // namespace besa::server
