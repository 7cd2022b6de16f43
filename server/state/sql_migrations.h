// The tables, as a row of numbered steps. Each step runs once, in order, in one transaction with its record in the
// table `migrations`. A step that was released is never edited: a change is a new step.
//
// Several coordinators may use one database while they are replaced one after the other, so a change takes two
// releases: one *expands* (adds tables, and columns with defaults, that programs of before need not know), a later one
// *contracts* (drops what no running program uses any more). A step says which programs survive it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "server/state/sql_connection.h"

namespace besa::server {

struct SqlMigration {
  int number = 0;
  std::string name;
  std::string sql;
  // Programs whose last known step is this one or a later one can work with the database after this step. Equal to
  // `number` if the step takes something away that programs of before rely on.
  int survivable_from = 0;
};

// Runs what is missing. To be called inside a transaction that excludes everybody else who migrates.
// FAILED_PRECONDITION (SCHEMA_TOO_NEW) if the database has a step that this program does not survive.
absl::Status MigrateSql(SqlConnection& connection, const std::vector<SqlMigration>& migrations, absl::Time now);

}  // namespace besa::server
