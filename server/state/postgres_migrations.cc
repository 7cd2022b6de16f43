#include "server/state/postgres_migrations.h"

#include <string>

#include "storage/base/status_macros.h"

namespace besa::server {

const std::vector<SqlMigration>& PostgresMigrations() {
  static const auto& migrations = *new std::vector<SqlMigration>{
      {1, "everything", R"sql(
        CREATE TABLE jobs (
          seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- order of creation
          id TEXT NOT NULL UNIQUE,
          state BIGINT NOT NULL,
          display_name TEXT NOT NULL,
          version BIGINT NOT NULL,
          job BYTEA NOT NULL,                      -- besa.v1.Job
          request_id TEXT UNIQUE,                  -- NULL: none
          request_hash TEXT NOT NULL,
          output_key TEXT NOT NULL,
          reserved_output TEXT UNIQUE,             -- output_key until the job has ended, then NULL
          workspace_uri TEXT NOT NULL,
          started BIGINT NOT NULL,
          publisher TEXT NOT NULL,
          claim BIGINT NOT NULL,
          claim_beat BIGINT NOT NULL,
          publish_failures BIGINT NOT NULL,
          priority BIGINT NOT NULL DEFAULT 0,
          deadline BIGINT                          -- microseconds since 1970
        );
        CREATE INDEX jobs_by_state ON jobs (state, seq);
        CREATE INDEX jobs_by_deadline ON jobs (deadline) WHERE deadline IS NOT NULL;

        CREATE TABLE tasks (
          job BIGINT NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
          position BIGINT NOT NULL,
          id TEXT NOT NULL,
          state BIGINT NOT NULL,
          memory_bytes BIGINT NOT NULL,
          task BYTEA NOT NULL,                     -- besa.v1.Task
          PRIMARY KEY (job, position),
          UNIQUE (job, id)
        );
        CREATE INDEX tasks_pending ON tasks (job, memory_bytes) WHERE state = 2;

        -- Beats change rows in place while there is room in their page.
        CREATE TABLE leases (
          job BIGINT NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
          position BIGINT NOT NULL,                -- of the task: it has at most one lease
          id TEXT NOT NULL UNIQUE,
          attempt BIGINT NOT NULL,
          worker TEXT NOT NULL,
          incarnation TEXT NOT NULL,
          request_id TEXT NOT NULL,
          expired BIGINT NOT NULL,
          beat BIGINT NOT NULL,
          beat_time BIGINT NOT NULL,               -- microseconds since 1970
          progress BYTEA NOT NULL,                 -- besa.v1.TaskProgress
          progress_serial BIGINT NOT NULL,
          moves BIGINT NOT NULL DEFAULT 0,
          PRIMARY KEY (job, position)
        ) WITH (fillfactor = 50);
        CREATE INDEX leases_by_worker ON leases (worker);

        CREATE TABLE events (
          job BIGINT NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
          version BIGINT NOT NULL,
          event BYTEA NOT NULL,                    -- besa.v1.WatchJobResponse
          PRIMARY KEY (job, version)
        );

        CREATE TABLE workers (
          name TEXT COLLATE "C" PRIMARY KEY,
          incarnation TEXT NOT NULL,
          memory_bytes BIGINT NOT NULL,
          seen BIGINT NOT NULL,
          lost BIGINT NOT NULL,
          last_seen_time BIGINT NOT NULL,          -- microseconds since 1970
          worker BYTEA NOT NULL,                   -- besa.v1.Worker
          draining BIGINT NOT NULL DEFAULT 0
        ) WITH (fillfactor = 50);

        CREATE TABLE garbage (
          uri TEXT PRIMARY KEY,
          due BIGINT NOT NULL                      -- microseconds since 1970
        );
        CREATE INDEX garbage_by_due ON garbage (due);

        CREATE TABLE audit (
          number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
          time BIGINT NOT NULL,                    -- microseconds since 1970
          action TEXT NOT NULL,
          resource TEXT NOT NULL,
          caller TEXT NOT NULL,
          detail TEXT NOT NULL
        );
        CREATE INDEX audit_by_resource ON audit (resource, number);

        CREATE SEQUENCE progress;
      )sql",
       1},
      {2, "completion hooks", R"sql(
        ALTER TABLE jobs ADD COLUMN hook_caller TEXT NOT NULL DEFAULT '';
        ALTER TABLE jobs ADD COLUMN hook_claim BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE jobs ADD COLUMN hook_due BIGINT;                          -- microseconds since 1970
        CREATE INDEX jobs_by_hook ON jobs (hook_due) WHERE hook_due IS NOT NULL;
      )sql",
       1},
  };
  return migrations;
}

absl::Status MigratePostgres(SqlConnection& connection, const std::vector<SqlMigration>& migrations, absl::Time now) {
  // Held until the transaction ends. An arbitrary number that is besa's own.
  RETURN_IF_ERROR(connection.Run("SELECT pg_advisory_xact_lock(4717521263)"));
  RETURN_IF_ERROR(connection.Script(
      "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL, time BIGINT NOT NULL, "
      "survivable_from BIGINT NOT NULL)"));
  return MigrateSql(connection, migrations, now);
}

}  // namespace besa::server
