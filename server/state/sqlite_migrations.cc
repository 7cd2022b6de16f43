#include "server/state/sqlite_migrations.h"

#include "storage/base/status_macros.h"

namespace besa::server {

const std::vector<SqlMigration>& SqliteMigrations() {
  static const auto& migrations = *new std::vector<SqlMigration>{
      {1, "jobs, tasks, leases, events, workers, garbage", R"sql(
        CREATE TABLE jobs (
          seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of creation
          id TEXT NOT NULL UNIQUE,
          state INTEGER NOT NULL,
          display_name TEXT NOT NULL,
          version INTEGER NOT NULL,
          job BLOB NOT NULL,                      -- besa.v1.Job
          request_id TEXT UNIQUE,                 -- NULL: none
          request_hash TEXT NOT NULL,
          output_key TEXT NOT NULL,
          reserved_output TEXT UNIQUE,            -- output_key until the job has ended, then NULL
          workspace_uri TEXT NOT NULL,
          started INTEGER NOT NULL,
          publisher TEXT NOT NULL,
          claim INTEGER NOT NULL,
          claim_beat INTEGER NOT NULL,
          publish_failures INTEGER NOT NULL
        );
        CREATE INDEX jobs_by_state ON jobs (state, seq);

        CREATE TABLE tasks (
          job INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
          position INTEGER NOT NULL,
          id TEXT NOT NULL,
          state INTEGER NOT NULL,
          memory_bytes INTEGER NOT NULL,
          task BLOB NOT NULL,                     -- besa.v1.Task
          PRIMARY KEY (job, position),
          UNIQUE (job, id)
        );
        CREATE INDEX tasks_pending ON tasks (job, memory_bytes) WHERE state = 2;

        CREATE TABLE leases (
          job INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
          position INTEGER NOT NULL,              -- of the task: it has at most one lease
          id TEXT NOT NULL UNIQUE,
          attempt INTEGER NOT NULL,
          worker TEXT NOT NULL,
          incarnation TEXT NOT NULL,
          request_id TEXT NOT NULL,
          expired INTEGER NOT NULL,
          beat INTEGER NOT NULL,
          beat_time INTEGER NOT NULL,             -- microseconds since 1970
          progress BLOB NOT NULL,                 -- besa.v1.TaskProgress
          progress_serial INTEGER NOT NULL,
          PRIMARY KEY (job, position)
        );
        CREATE INDEX leases_by_worker ON leases (worker);

        CREATE TABLE events (
          job INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
          version INTEGER NOT NULL,
          event BLOB NOT NULL,                    -- besa.v1.WatchJobResponse
          PRIMARY KEY (job, version)
        );

        CREATE TABLE workers (
          name TEXT PRIMARY KEY,
          incarnation TEXT NOT NULL,
          memory_bytes INTEGER NOT NULL,
          seen INTEGER NOT NULL,
          lost INTEGER NOT NULL,
          last_seen_time INTEGER NOT NULL,        -- microseconds since 1970
          worker BLOB NOT NULL                    -- besa.v1.Worker
        );

        CREATE TABLE garbage (
          uri TEXT PRIMARY KEY,
          due INTEGER NOT NULL                    -- microseconds since 1970
        );
        CREATE INDEX garbage_by_due ON garbage (due);

        CREATE TABLE counters (
          name TEXT PRIMARY KEY,
          value INTEGER NOT NULL
        );
        INSERT INTO counters (name, value) VALUES ('progress', 0);
      )sql",
       1},
      {2, "priorities, deadlines, progress of leases, drained workers, audit", R"sql(
        ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE jobs ADD COLUMN deadline INTEGER;                         -- microseconds since 1970
        CREATE INDEX jobs_by_deadline ON jobs (deadline) WHERE deadline IS NOT NULL;
        ALTER TABLE leases ADD COLUMN moves INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE workers ADD COLUMN draining INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE audit (
          number INTEGER PRIMARY KEY AUTOINCREMENT,
          time INTEGER NOT NULL,                  -- microseconds since 1970
          action TEXT NOT NULL,
          resource TEXT NOT NULL,
          caller TEXT NOT NULL,
          detail TEXT NOT NULL
        );
        CREATE INDEX audit_by_resource ON audit (resource, number);
      )sql",
       1},
      {3, "completion hooks", R"sql(
        ALTER TABLE jobs ADD COLUMN hook_caller TEXT NOT NULL DEFAULT '';
        ALTER TABLE jobs ADD COLUMN hook_claim INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE jobs ADD COLUMN hook_due INTEGER;                         -- microseconds since 1970
        CREATE INDEX jobs_by_hook ON jobs (hook_due) WHERE hook_due IS NOT NULL;
      )sql",
       1},
  };
  return migrations;
}

namespace {

// Databases of the first release have no column for it.
absl::Status AddSurvivableFrom(SqliteConnection& connection) {
  bool there = false;
  RETURN_IF_ERROR(connection.Query(
      [&](const SqlRow& row) {
        there = there || row.Bytes(0) == "survivable_from";
        return absl::OkStatus();
      },
      "SELECT name FROM pragma_table_info('migrations')"));
  if (there) return absl::OkStatus();
  return connection.Script("ALTER TABLE migrations ADD COLUMN survivable_from INTEGER NOT NULL DEFAULT 1");
}

}  // namespace

absl::Status MigrateSqlite(SqliteConnection& connection, const std::vector<SqlMigration>& migrations, absl::Time now) {
  RETURN_IF_ERROR(connection.Script(
      "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, time INTEGER NOT NULL)"));
  ASSIGN_OR_RETURN(auto transaction, SqliteTransaction::Begin(connection));
  RETURN_IF_ERROR(AddSurvivableFrom(connection));
  RETURN_IF_ERROR(MigrateSql(connection, migrations, now));
  return transaction->Commit();
}

}  // namespace besa::server
