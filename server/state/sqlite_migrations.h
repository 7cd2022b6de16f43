// The tables, as a row of numbered steps. Each step runs once, in order, in one transaction with its record in the
// table `migrations`. A step that was released is never edited: a change is a new step.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "server/state/sqlite_connection.h"

namespace besa::server {

struct SqliteMigration {
  int number = 0;
  std::string name;
  std::string sql;
};

// Ascending from 1.
const std::vector<SqliteMigration>& SqliteMigrations();

// Runs what is missing. FAILED_PRECONDITION if the database has steps that this program does not know: it was written
// by a newer one.
absl::Status MigrateSqlite(SqliteConnection& connection, const std::vector<SqliteMigration>& migrations,
                           absl::Time now);

}  // namespace besa::server
