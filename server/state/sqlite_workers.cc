// SqliteStateStore: workers and what the housekeeper looks at.
#include <utility>

#include "absl/strings/str_cat.h"

#include "server/state/sqlite_rows.h"
#include "server/state/sqlite_state_store.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

constexpr absl::string_view kWorkerColumns = "SELECT name, worker, seen, lost, last_seen_time FROM workers ";

absl::Status ReadWorkerRow(const SqliteRow& columns, WorkerRow& row) {
  if (!row.worker.ParseFromString(columns.Text(1))) {
    return absl::DataLossError(absl::StrCat("state database: ", columns.Text(0), " cannot be read"));
  }
  row.seen = columns.Int(2);
  row.lost = columns.Int(3) != 0;
  const int64_t micros = columns.Int(4);
  row.worker.mutable_last_seen_time()->set_seconds(micros / 1'000'000);
  row.worker.mutable_last_seen_time()->set_nanos(static_cast<int32_t>(micros % 1'000'000) * 1000);
  return absl::OkStatus();
}

int64_t LastSeenMicros(const v1::Worker& worker) {
  return worker.last_seen_time().seconds() * 1'000'000 + worker.last_seen_time().nanos() / 1000;
}

}  // namespace

absl::Status SqliteStateStore::PutWorker(const WorkerRow& row) {
  const std::lock_guard<std::mutex> guard(writer_mutex_);
  return writer_->Run(
      "INSERT INTO workers (name, incarnation, memory_bytes, seen, lost, last_seen_time, worker) "
      "VALUES (?, ?, ?, ?, 0, ?, ?) ON CONFLICT (name) DO UPDATE SET incarnation = excluded.incarnation, "
      "memory_bytes = excluded.memory_bytes, seen = seen + 1, lost = 0, last_seen_time = excluded.last_seen_time, "
      "worker = excluded.worker",
      row.worker.name(), row.worker.incarnation(), row.worker.device().memory_bytes(), row.seen,
      LastSeenMicros(row.worker), SqliteBlob{row.worker.SerializeAsString()});
}

absl::StatusOr<WorkerRow> SqliteStateStore::ReadWorker(absl::string_view name) {
  const std::lock_guard<std::mutex> guard(reader_mutex_);
  std::optional<WorkerRow> found;
  RETURN_IF_ERROR(reader_->Query([&](const SqliteRow& columns) { return ReadWorkerRow(columns, found.emplace()); },
                                 absl::StrCat(kWorkerColumns, "WHERE name = ?"), name));
  if (found) return *std::move(found);
  return absl::NotFoundError(absl::StrCat(name, " never registered"));
}

absl::Status SqliteStateStore::TouchWorker(absl::string_view name, absl::string_view incarnation, absl::Time now) {
  const std::lock_guard<std::mutex> guard(writer_mutex_);
  return writer_->Run(
      "UPDATE workers SET seen = seen + 1, lost = 0, last_seen_time = ? WHERE name = ? AND incarnation = ?",
      absl::ToUnixMicros(now), name, incarnation);
}

absl::StatusOr<bool> SqliteStateStore::MarkWorkerLost(absl::string_view name, absl::string_view incarnation,
                                                      int64_t seen) {
  const std::lock_guard<std::mutex> guard(writer_mutex_);
  RETURN_IF_ERROR(
      writer_->Run("UPDATE workers SET lost = 1 WHERE name = ? AND incarnation = ? AND seen = ? AND lost = 0", name,
                   incarnation, seen));
  return writer_->changes() > 0;
}

absl::StatusOr<std::vector<WorkerRow>> SqliteStateStore::ListWorkers(absl::string_view after_name, int32_t limit) {
  const std::lock_guard<std::mutex> guard(reader_mutex_);
  std::vector<WorkerRow> workers;
  RETURN_IF_ERROR(
      reader_->Query([&](const SqliteRow& columns) { return ReadWorkerRow(columns, workers.emplace_back()); },
                     absl::StrCat(kWorkerColumns, "WHERE name > ? ORDER BY name LIMIT ?"), after_name, limit));
  return workers;
}

absl::StatusOr<FleetSummary> SqliteStateStore::ReadFleet() {
  const std::lock_guard<std::mutex> guard(reader_mutex_);
  FleetSummary fleet;
  RETURN_IF_ERROR(reader_->Query(
      [&](const SqliteRow& row) {
        fleet.workers = static_cast<int32_t>(row.Int(0));
        fleet.largest_memory_bytes = row.Int(1);
        return absl::OkStatus();
      },
      "SELECT COUNT(*), COALESCE(MAX(memory_bytes), 0) FROM workers WHERE lost = 0"));
  return fleet;
}

absl::StatusOr<std::vector<LeaseRef>> SqliteStateStore::LiveLeases() {
  const std::lock_guard<std::mutex> guard(reader_mutex_);
  return LoadLeases(*reader_, std::nullopt);
}

absl::StatusOr<std::vector<ClaimRef>> SqliteStateStore::LiveClaims() {
  const std::lock_guard<std::mutex> guard(reader_mutex_);
  std::vector<ClaimRef> claims;
  RETURN_IF_ERROR(reader_->Query(
      [&](const SqliteRow& row) {
        claims.push_back({row.Text(0), row.Text(1), row.Int(2), row.Int(3)});
        return absl::OkStatus();
      },
      "SELECT id, publisher, claim, claim_beat FROM jobs WHERE state = ? AND publisher <> '' ORDER BY seq",
      v1::JOB_STATE_PUBLISHING));
  return claims;
}

absl::StatusOr<std::vector<GarbageRow>> SqliteStateStore::DueGarbage(absl::Time now, int32_t limit) {
  const std::lock_guard<std::mutex> guard(reader_mutex_);
  std::vector<GarbageRow> garbage;
  RETURN_IF_ERROR(reader_->Query(
      [&](const SqliteRow& row) {
        garbage.push_back({row.Text(0), absl::FromUnixMicros(row.Int(1))});
        return absl::OkStatus();
      },
      "SELECT uri, due FROM garbage WHERE due <= ? ORDER BY due LIMIT ?", absl::ToUnixMicros(now), limit));
  return garbage;
}

absl::Status SqliteStateStore::ForgetGarbage(absl::string_view uri) {
  const std::lock_guard<std::mutex> guard(writer_mutex_);
  return writer_->Run("DELETE FROM garbage WHERE uri = ?", uri);
}

}  // namespace besa::server
