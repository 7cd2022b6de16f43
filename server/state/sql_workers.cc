// SqlStateStore: workers, the audit, and what the housekeeper looks at.
#include <utility>

#include "absl/strings/str_cat.h"

#include "server/state/sql_rows.h"
#include "server/state/sql_state_store.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

constexpr absl::string_view kWorkerColumns = "SELECT name, worker, seen, lost, last_seen_time, draining FROM workers ";

absl::Status ReadWorkerRow(const SqlRow& columns, WorkerRow& row) {
  if (!row.worker.ParseFromString(columns.Text(1))) {
    return absl::DataLossError(absl::StrCat("state database: ", columns.Text(0), " cannot be read"));
  }
  row.seen = columns.Int(2);
  row.lost = columns.Int(3) != 0;
  row.worker.set_draining(columns.Int(5) != 0);
  const int64_t micros = columns.Int(4);
  row.worker.mutable_last_seen_time()->set_seconds(micros / 1'000'000);
  row.worker.mutable_last_seen_time()->set_nanos(static_cast<int32_t>(micros % 1'000'000) * 1000);
  return absl::OkStatus();
}

absl::StatusOr<WorkerRow> LoadWorker(SqlConnection& connection, absl::string_view name) {
  std::optional<WorkerRow> found;
  RETURN_IF_ERROR(connection.Query([&](const SqlRow& columns) { return ReadWorkerRow(columns, found.emplace()); },
                                   absl::StrCat(kWorkerColumns, "WHERE name = $1"), name));
  if (found) return *std::move(found);
  return ErrorWithInfo(absl::StatusCode::kNotFound, absl::StrCat(name, " never registered"),
                       {"WORKER_NOT_FOUND", {{"worker", std::string(name)}}});
}

int64_t LastSeenMicros(const v1::Worker& worker) {
  return worker.last_seen_time().seconds() * 1'000'000 + worker.last_seen_time().nanos() / 1000;
}

}  // namespace

absl::Status SqlStateStore::PutWorker(const WorkerRow& row) {
  return database_->Write([&](SqlConnection& connection) {
    return connection.Send(
        "INSERT INTO workers (name, incarnation, memory_bytes, seen, lost, last_seen_time, worker) "
        "VALUES ($1, $2, $3, $4, 0, $5, $6) ON CONFLICT (name) DO UPDATE SET incarnation = excluded.incarnation, "
        "memory_bytes = excluded.memory_bytes, seen = workers.seen + 1, lost = 0, "
        "last_seen_time = excluded.last_seen_time, worker = excluded.worker",
        row.worker.name(), row.worker.incarnation(), row.worker.device().memory_bytes(), row.seen,
        LastSeenMicros(row.worker), SqlBlob{row.worker.SerializeAsString()});
  });
}

absl::StatusOr<WorkerRow> SqlStateStore::ReadWorker(absl::string_view name) {
  WorkerRow row;
  RETURN_IF_ERROR(database_->Read([&](SqlConnection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(row, LoadWorker(connection, name));
    return absl::OkStatus();
  }));
  return row;
}

absl::Status SqlStateStore::TouchWorker(absl::string_view name, absl::string_view incarnation, absl::Time now) {
  return database_->Write([&](SqlConnection& connection) -> absl::Status {
    RETURN_IF_ERROR(connection.CommitEarly());
    return connection.Send(
        "UPDATE workers SET seen = seen + 1, lost = 0, last_seen_time = $1 WHERE name = $2 AND incarnation = $3",
        absl::ToUnixMicros(now), name, incarnation);
  });
}

absl::StatusOr<bool> SqlStateStore::MarkWorkerLost(absl::string_view name, absl::string_view incarnation,
                                                   int64_t seen) {
  bool marked = false;
  const absl::Status written = database_->Write([&](SqlConnection& connection) -> absl::Status {
    RETURN_IF_ERROR(
        connection.Run("UPDATE workers SET lost = 1 WHERE name = $1 AND incarnation = $2 AND seen = $3 AND lost = 0",
                       name, incarnation, seen));
    marked = connection.changes() > 0;
    return absl::OkStatus();
  });
  RETURN_IF_ERROR(written);
  return marked;
}

absl::StatusOr<WorkerRow> SqlStateStore::SetDraining(absl::string_view name, bool draining, const AuditRow& audit) {
  WorkerRow row;
  const absl::Status written = database_->Write([&](SqlConnection& connection) -> absl::Status {
    RETURN_IF_ERROR(
        connection.Run("UPDATE workers SET draining = $1 WHERE name = $2 AND draining <> $1", draining, name));
    if (connection.changes() > 0) RETURN_IF_ERROR(SaveAudit(connection, {audit}));
    ASSIGN_OR_RETURN(row, LoadWorker(connection, name));
    return absl::OkStatus();
  });
  RETURN_IF_ERROR(written);
  return row;
}

absl::StatusOr<std::vector<WorkerRow>> SqlStateStore::ListWorkers(absl::string_view after_name, int32_t limit) {
  std::vector<WorkerRow> workers;
  RETURN_IF_ERROR(Select([&](const SqlRow& columns) { return ReadWorkerRow(columns, workers.emplace_back()); },
                         absl::StrCat(kWorkerColumns, "WHERE name > $1 ORDER BY name LIMIT $2"), after_name, limit));
  return workers;
}

absl::StatusOr<FleetSummary> SqlStateStore::ReadFleet() {
  FleetSummary fleet;
  RETURN_IF_ERROR(Select(
      [&](const SqlRow& row) {
        fleet.workers = static_cast<int32_t>(row.Int(0));
        fleet.largest_memory_bytes = row.Int(1);
        fleet.draining = static_cast<int32_t>(row.Int(2));
        return absl::OkStatus();
      },
      "SELECT COUNT(CASE WHEN draining = 0 THEN 1 END), COALESCE(MAX(CASE WHEN draining = 0 THEN memory_bytes END), "
      "0), "
      "COUNT(CASE WHEN draining = 1 THEN 1 END) FROM workers WHERE lost = 0"));
  return fleet;
}

absl::StatusOr<std::vector<LeaseRef>> SqlStateStore::LiveLeases() {
  std::vector<LeaseRef> leases;
  RETURN_IF_ERROR(database_->Read([&](SqlConnection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(leases, LoadLeases(connection, std::nullopt));
    return absl::OkStatus();
  }));
  return leases;
}

template <class... Parameters>
absl::StatusOr<std::vector<ClaimRef>> SqlStateStore::ReadClaims(absl::string_view sql,
                                                                const Parameters&... parameters) {
  std::vector<ClaimRef> claims;
  RETURN_IF_ERROR(Select(
      [&](const SqlRow& row) {
        claims.push_back({row.Text(0), row.Text(1), row.Int(2), row.Int(3)});
        return absl::OkStatus();
      },
      sql, parameters...));
  return claims;
}

absl::StatusOr<std::vector<ClaimRef>> SqlStateStore::LiveClaims() {
  return ReadClaims(
      "SELECT id, publisher, claim, claim_beat FROM jobs WHERE state = $1 AND publisher <> '' ORDER BY seq",
      v1::JOB_STATE_PUBLISHING);
}

absl::StatusOr<std::vector<ClaimRef>> SqlStateStore::LiveHookClaims() {
  return ReadClaims(
      "SELECT id, hook_caller, hook_claim, 0 FROM jobs WHERE hook_due IS NOT NULL AND hook_caller <> '' ORDER BY seq");
}

absl::StatusOr<std::vector<AuditRef>> SqlStateStore::ListAudit(absl::string_view resource, int64_t before,
                                                               int32_t limit) {
  std::vector<AuditRef> entries;
  const auto on_row = [&](const SqlRow& row) {
    entries.push_back({row.Int(0),
                       {.time = absl::FromUnixMicros(row.Int(1)),
                        .action = row.Text(2),
                        .resource = row.Text(3),
                        .caller = row.Text(4),
                        .detail = row.Text(5)}});
    return absl::OkStatus();
  };
  if (resource.empty()) {
    RETURN_IF_ERROR(Select(on_row,
                           "SELECT number, time, action, resource, caller, detail FROM audit WHERE ($1 = 0 OR "
                           "number < $1) ORDER BY number DESC LIMIT $2",
                           before, limit));
  } else {
    RETURN_IF_ERROR(Select(on_row,
                           "SELECT number, time, action, resource, caller, detail FROM audit WHERE resource = $1 AND "
                           "($2 = 0 OR number < $2) ORDER BY number DESC LIMIT $3",
                           resource, before, limit));
  }
  return entries;
}

absl::StatusOr<std::vector<GarbageRow>> SqlStateStore::DueGarbage(absl::Time now, int32_t limit) {
  std::vector<GarbageRow> garbage;
  RETURN_IF_ERROR(Select(
      [&](const SqlRow& row) {
        garbage.push_back({row.Text(0), absl::FromUnixMicros(row.Int(1))});
        return absl::OkStatus();
      },
      "SELECT uri, due FROM garbage WHERE due <= $1 ORDER BY due LIMIT $2", absl::ToUnixMicros(now), limit));
  return garbage;
}

absl::Status SqlStateStore::ForgetGarbage(absl::string_view uri) {
  return database_->Write(
      [&](SqlConnection& connection) { return connection.Send("DELETE FROM garbage WHERE uri = $1", uri); });
}

}  // namespace besa::server
