// The state in one SQLite file: the embedded default, for one coordinator.
//
// A write-ahead log with synchronous=FULL: what a call has returned OK for survives the loss of power. Writers take the
// database's write lock before they read (BEGIN IMMEDIATE), which is stronger than the lock of one job that StateStore
// asks for. Reads use a second connection and never wait for a write.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/state/sqlite_connection.h"
#include "server/state/state_store.h"
#include "storage/base/clock.h"

namespace besa::server {

struct SqliteOptions {
  // The database file; "-wal", "-shm" and "-lock" lie beside it. Created if missing, its folder must exist.
  std::string path;
  // Events of one job that are kept for watches to resume from.
  int64_t keep_events = 1000;
};

// Thread-safe.
class SqliteStateStore : public StateStore {
 public:
  // FAILED_PRECONDITION if another coordinator uses the file (reason STATE_IN_USE) or a newer program wrote it
  // (SCHEMA_TOO_NEW); DATA_LOSS if it is not a database. `clock` only dates the migrations.
  static absl::StatusOr<std::unique_ptr<SqliteStateStore>> Open(const SqliteOptions& options, const Clock& clock);
  ~SqliteStateStore() override;

  bool single_coordinator() const override { return true; }

  absl::StatusOr<JobRows> CreateJob(const CreateJobRow& create) override;
  absl::StatusOr<std::optional<v1::Job>> FindCreated(absl::string_view request_id,
                                                     absl::string_view request_hash) override;
  absl::Status UpdateJob(absl::string_view job_id, const JobStep& step) override;
  absl::Status UpdateTask(absl::string_view job_id, absl::string_view task_id, const TaskStep& step) override;
  absl::StatusOr<JobRows> ReadJob(absl::string_view job_id) override;
  absl::StatusOr<JobPage> ListJobs(int32_t limit, int64_t from, const JobFilter& filter) override;

  absl::StatusOr<EventPage> ReadEvents(absl::string_view job_id, int64_t after_version, int32_t limit) override;
  absl::StatusOr<std::vector<ProgressRow>> ReadProgress(absl::string_view job_id, int64_t after_serial) override;

  absl::StatusOr<std::vector<std::string>> JobsWithWork(int64_t memory_bytes, int32_t limit) override;
  absl::StatusOr<std::vector<std::string>> JobsToPublish() override;
  absl::StatusOr<std::vector<std::string>> IdleJobs() override;
  absl::StatusOr<std::vector<LeaseRef>> LeasesOfWorker(absl::string_view worker) override;

  absl::Status PutWorker(const WorkerRow& worker) override;
  absl::StatusOr<WorkerRow> ReadWorker(absl::string_view name) override;
  absl::Status TouchWorker(absl::string_view name, absl::string_view incarnation, absl::Time now) override;
  absl::StatusOr<bool> MarkWorkerLost(absl::string_view name, absl::string_view incarnation, int64_t seen) override;
  absl::StatusOr<std::vector<WorkerRow>> ListWorkers(absl::string_view after_name, int32_t limit) override;
  absl::StatusOr<FleetSummary> ReadFleet() override;

  absl::StatusOr<std::vector<LeaseRef>> LiveLeases() override;
  absl::StatusOr<std::vector<ClaimRef>> LiveClaims() override;
  absl::StatusOr<std::vector<GarbageRow>> DueGarbage(absl::Time now, int32_t limit) override;
  absl::Status ForgetGarbage(absl::string_view uri) override;

 private:
  class FileLock;

  SqliteStateStore(const SqliteOptions& options, std::unique_ptr<FileLock> lock,
                   std::unique_ptr<SqliteConnection> writer, std::unique_ptr<SqliteConnection> reader);

  template <class... Parameters>
  absl::StatusOr<std::vector<std::string>> ReadIds(absl::string_view sql, const Parameters&... parameters);

  const int64_t keep_events_;
  // Destroyed last: nobody else may open the file before the connections are closed.
  const std::unique_ptr<FileLock> lock_;
  std::mutex writer_mutex_;
  const std::unique_ptr<SqliteConnection> writer_;  // guarded by writer_mutex_
  std::mutex reader_mutex_;
  const std::unique_ptr<SqliteConnection> reader_;  // guarded by reader_mutex_
};

}  // namespace besa::server
