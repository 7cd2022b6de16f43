// The state in one SQLite file: the embedded default, for one coordinator.
//
// A write-ahead log with synchronous=FULL: what a call has returned OK for survives the loss of power. Writers take the
// database's write lock before they read (BEGIN IMMEDIATE), which is stronger than the lock of one job that StateStore
// asks for. Steps that wait at the same time are written together, so the disk's latency bounds how long a call takes,
// not how many there are a second. Reads use a second connection and never wait for a write.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "server/state/sql_state_store.h"
#include "storage/base/clock.h"

namespace besa::server {

struct SqliteOptions {
  // The database file; "-wal", "-shm" and "-lock" lie beside it. Created if missing, its folder must exist.
  std::string path;
  // Events of one job that are kept for watches to resume from.
  int64_t keep_events = 1000;
};

// Thread-safe.
class SqliteStateStore final : public SqlStateStore {
 public:
  // FAILED_PRECONDITION if another coordinator uses the file (reason STATE_IN_USE) or a newer program wrote it
  // (SCHEMA_TOO_NEW); DATA_LOSS if it is not a database. `clock` only dates the migrations.
  static absl::StatusOr<std::unique_ptr<SqliteStateStore>> Open(const SqliteOptions& options, const Clock& clock);

 private:
  using SqlStateStore::SqlStateStore;
};

}  // namespace besa::server
