// StateStore on a SQL database, whichever: SQLite and PostgreSQL share all statements but a few words of dialect.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/state/sql_database.h"
#include "server/state/sql_rows.h"
#include "server/state/state_store.h"

namespace besa::server {

// Thread-safe.
class SqlStateStore : public StateStore {
 public:
  // Of one job the last `keep_events` events are kept for watches to resume from. The tables are there already.
  SqlStateStore(std::unique_ptr<SqlDatabase> database, int64_t keep_events);

  bool single_coordinator() const override { return database_->exclusive(); }

  absl::StatusOr<JobRows> CreateJob(const CreateJobRow& create) override;
  absl::StatusOr<std::optional<v1::Job>> FindCreated(absl::string_view request_id,
                                                     absl::string_view request_hash) override;
  absl::Status UpdateJob(absl::string_view job_id, const JobStep& step) override;
  absl::Status UpdateTask(absl::string_view job_id, absl::string_view task_id, const TaskStep& step) override;
  absl::StatusOr<JobRows> ReadJob(absl::string_view job_id) override;
  absl::StatusOr<JobPage> ListJobs(int32_t limit, int64_t from, const JobFilter& filter) override;

  absl::StatusOr<EventPage> ReadEvents(absl::string_view job_id, int64_t after_version, int32_t limit) override;
  absl::StatusOr<std::vector<ProgressRow>> ReadProgress(absl::string_view job_id, int64_t after_serial) override;

  absl::StatusOr<std::vector<WorkRef>> JobsWithWork(int64_t memory_bytes) override;
  absl::StatusOr<std::vector<std::string>> JobsToPublish() override;
  absl::StatusOr<std::vector<std::string>> JobsWithDueHook(absl::Time now, int32_t limit) override;
  absl::StatusOr<int64_t> CountPendingHooks() override;
  absl::StatusOr<std::vector<std::string>> IdleJobs() override;
  absl::StatusOr<std::vector<LeaseRef>> LeasesOfWorker(absl::string_view worker) override;

  absl::Status PutWorker(const WorkerRow& worker) override;
  absl::StatusOr<WorkerRow> ReadWorker(absl::string_view name) override;
  absl::Status TouchWorker(absl::string_view name, absl::string_view incarnation, absl::Time now) override;
  absl::StatusOr<bool> MarkWorkerLost(absl::string_view name, absl::string_view incarnation, int64_t seen) override;
  absl::StatusOr<std::vector<WorkerRow>> ListWorkers(absl::string_view after_name, int32_t limit) override;
  absl::StatusOr<FleetSummary> ReadFleet() override;
  absl::StatusOr<WorkerRow> SetDraining(absl::string_view name, bool draining, const AuditRow& audit) override;

  absl::StatusOr<std::vector<LeaseRef>> LiveLeases() override;
  absl::StatusOr<std::vector<ClaimRef>> LiveClaims() override;
  absl::StatusOr<std::vector<ClaimRef>> LiveHookClaims() override;
  absl::StatusOr<std::vector<std::string>> OverdueJobs(absl::Time now) override;
  absl::StatusOr<std::vector<AuditRef>> ListAudit(absl::string_view resource, int64_t before, int32_t limit) override;
  absl::StatusOr<std::vector<GarbageRow>> DueGarbage(absl::Time now, int32_t limit) override;
  absl::Status ForgetGarbage(absl::string_view uri) override;

 private:
  using OnRow = SqlConnection::OnRow;
  template <class... Parameters>
  absl::Status Select(const OnRow& on_row, absl::string_view sql, const Parameters&... parameters) {
    return database_->Read([&](SqlConnection& connection) { return connection.Query(on_row, sql, parameters...); });
  }
  absl::Status Update(absl::string_view job_id, const LoadOptions& options, const JobStep& step);
  template <class... Parameters>
  absl::StatusOr<std::vector<std::string>> ReadIds(absl::string_view sql, const Parameters&... parameters);
  template <class... Parameters>
  absl::StatusOr<std::vector<ClaimRef>> ReadClaims(absl::string_view sql, const Parameters&... parameters);

  const std::unique_ptr<SqlDatabase> database_;
  const int64_t keep_events_;
};

}  // namespace besa::server
