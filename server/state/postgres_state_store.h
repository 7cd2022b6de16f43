// The state in a PostgreSQL database (14 or newer), for any number of coordinators.
//
// Every step of a job locks the job's row before it reads it (SELECT ... FOR UPDATE), so steps of one job happen one
// after the other and those of different jobs at once. No lock outlives its transaction.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "server/state/sql_state_store.h"
#include "storage/base/clock.h"

namespace besa::server {

struct PostgresOptions {
  // As libpq takes it: "postgresql://user@host:5432/besa?sslmode=verify-full". The database exists; its tables are
  // made.
  std::string conninfo;
  // Events of one job that are kept for watches to resume from.
  int64_t keep_events = 1000;
};

// Thread-safe.
class PostgresStateStore final : public SqlStateStore {
 public:
  // FAILED_PRECONDITION if the server refuses us, or if the database belongs to a program that is too new
  // (SCHEMA_TOO_NEW); UNAVAILABLE if it cannot be reached. `clock` only dates the migrations.
  static absl::StatusOr<std::unique_ptr<PostgresStateStore>> Open(const PostgresOptions& options, const Clock& clock);

 private:
  using SqlStateStore::SqlStateStore;
};

}  // namespace besa::server
