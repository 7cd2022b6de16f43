#include "server/state/sql_rows.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "server/state/names.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

template <class Message>
absl::Status Parse(absl::string_view bytes, absl::string_view what, Message& message) {
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("state database: ", what, " cannot be read"));
}

template <class Message>
SqlBlob Blob(const Message& message) {
  return {message.SerializeAsString()};
}

bool HasEnded(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED || state == v1::JOB_STATE_CANCELLED;
}

std::optional<std::string> ReservedOutput(const JobRow& row) {
  if (HasEnded(row.job.state())) return std::nullopt;
  return row.output_key;
}

// Microseconds since 1970; nullopt: none, or nothing is left to be late for.
std::optional<int64_t> Deadline(const JobRow& row) {
  if (!row.job.has_deadline() || HasEnded(row.job.state()) || row.job.state() == v1::JOB_STATE_PUBLISHING) {
    return std::nullopt;
  }
  return row.job.deadline().seconds() * 1'000'000 + row.job.deadline().nanos() / 1000;
}

// Microseconds since 1970; nullopt: there is nothing to deliver.
std::optional<int64_t> HookDue(const JobRow& row) {
  const v1::CompletionHook& hook = row.job.completion_hook();
  if (hook.state() != v1::COMPLETION_HOOK_STATE_PENDING) return std::nullopt;
  return hook.next_attempt_time().seconds() * 1'000'000 + hook.next_attempt_time().nanos() / 1000;
}

absl::Status UpdateJobRow(SqlConnection& connection, int64_t seq, const JobRow& row) {
  return connection.Send(
      "UPDATE jobs SET state = $1, version = $2, job = $3, reserved_output = $4, started = $5, publisher = $6, "
      "claim = $7, claim_beat = $8, publish_failures = $9, deadline = $10, hook_caller = $11, hook_claim = $12, "
      "hook_due = $13 WHERE seq = $14",
      row.job.state(), row.job.version(), Blob(row.job), ReservedOutput(row), row.started, row.publisher, row.claim,
      row.claim_beat, row.publish_failures, Deadline(row), row.hook_caller, row.hook_claim, HookDue(row), seq);
}

absl::Status SaveLease(SqlConnection& connection, int64_t seq, int32_t position, const LeaseRow& lease) {
  return connection.Send(
      "INSERT INTO leases (job, position, id, attempt, worker, incarnation, request_id, expired, beat, beat_time, "
      "progress, progress_serial, moves) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
      "ON CONFLICT (job, position) DO UPDATE SET id = excluded.id, attempt = excluded.attempt, "
      "worker = excluded.worker, incarnation = excluded.incarnation, request_id = excluded.request_id, "
      "expired = excluded.expired, beat = excluded.beat, beat_time = excluded.beat_time, "
      "progress = excluded.progress, progress_serial = excluded.progress_serial, moves = excluded.moves",
      seq, position, lease.id, lease.attempt, lease.worker, lease.incarnation, lease.request_id, lease.expired,
      lease.beat, absl::ToUnixMicros(lease.beat_time), Blob(lease.progress), lease.progress_serial, lease.moves);
}

absl::Status SaveTask(SqlConnection& connection, int64_t seq, const TaskRow& row) {
  RETURN_IF_ERROR(connection.Send(
      "INSERT INTO tasks (job, position, id, state, memory_bytes, task) VALUES ($1, $2, $3, $4, $5, $6) "
      "ON CONFLICT (job, position) DO UPDATE SET state = excluded.state, memory_bytes = excluded.memory_bytes, "
      "task = excluded.task",
      seq, row.position, row.id, row.task.state(), row.task.memory_bytes(), Blob(row.task)));
  if (row.lease) return SaveLease(connection, seq, row.position, *row.lease);
  return connection.Send("DELETE FROM leases WHERE job = $1 AND position = $2", seq, row.position);
}

absl::Status SaveBeat(SqlConnection& connection, const LeaseRow& lease) {
  const SqlDialect& dialect = connection.dialect();
  if (!dialect.advance_progress.empty()) RETURN_IF_ERROR(connection.Send(dialect.advance_progress));
  return connection.Send(
      absl::StrCat("UPDATE leases SET beat = $1, beat_time = $2, request_id = $3, progress = $4, moves = $5, "
                   "progress_serial = ",
                   dialect.progress_serial, " WHERE id = $6"),
      lease.beat, absl::ToUnixMicros(lease.beat_time), lease.request_id, Blob(lease.progress), lease.moves, lease.id);
}

absl::Status SaveEvents(SqlConnection& connection, int64_t seq, const std::vector<v1::WatchJobResponse>& events) {
  for (const v1::WatchJobResponse& event : events) {
    RETURN_IF_ERROR(connection.Send("INSERT INTO events (job, version, event) VALUES ($1, $2, $3)", seq,
                                    event.version(), Blob(event)));
  }
  return absl::OkStatus();
}

absl::Status SaveGarbage(SqlConnection& connection, const std::vector<GarbageRow>& garbage) {
  for (const GarbageRow& row : garbage) {
    RETURN_IF_ERROR(connection.Send(
        absl::StrCat("INSERT INTO garbage (uri, due) VALUES ($1, $2) ON CONFLICT (uri) DO UPDATE SET due = ",
                     connection.dialect().greatest, "(garbage.due, excluded.due)"),
        row.uri, absl::ToUnixMicros(row.due)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SaveAudit(SqlConnection& connection, const std::vector<AuditRow>& audit) {
  for (const AuditRow& row : audit) {
    RETURN_IF_ERROR(
        connection.Send("INSERT INTO audit (time, action, resource, caller, detail) VALUES ($1, $2, $3, $4, $5)",
                        absl::ToUnixMicros(row.time), row.action, row.resource, row.caller, row.detail));
  }
  return absl::OkStatus();
}

namespace {

absl::Status AskJob(SqlConnection& connection, absl::string_view job_id, bool lock, std::optional<StoredJob>& job) {
  return connection.Ask(
      [&job, job_id](const SqlRow& columns) {
        StoredJob& stored = job.emplace();
        stored.seq = columns.Int(0);
        JobRow& row = stored.row;
        row.id = std::string(job_id);
        row.workspace_uri = columns.Text(2);
        row.output_key = columns.Text(3);
        row.started = columns.Int(4) != 0;
        row.publisher = columns.Text(5);
        row.claim = columns.Int(6);
        row.claim_beat = columns.Int(7);
        row.publish_failures = static_cast<int32_t>(columns.Int(8));
        row.hook_caller = columns.Text(9);
        row.hook_claim = columns.Int(10);
        return Parse(columns.Bytes(1), JobName(job_id), row.job);
      },
      absl::StrCat("SELECT seq, job, workspace_uri, output_key, started, publisher, claim, claim_beat, "
                   "publish_failures, hook_caller, hook_claim FROM jobs WHERE id = $1",
                   lock ? connection.dialect().lock_row : ""),
      job_id);
}

absl::Status ReadTask(const SqlRow& columns, TaskRow& row) {
  row.position = static_cast<int32_t>(columns.Int(0));
  row.id = columns.Text(1);
  RETURN_IF_ERROR(Parse(columns.Bytes(2), row.id, row.task));
  if (columns.IsNull(3)) return absl::OkStatus();
  LeaseRow& lease = row.lease.emplace();
  lease.id = columns.Text(3);
  lease.attempt = static_cast<int32_t>(columns.Int(4));
  lease.worker = columns.Text(5);
  lease.incarnation = columns.Text(6);
  lease.request_id = columns.Text(7);
  lease.expired = columns.Int(8) != 0;
  lease.beat = columns.Int(9);
  lease.beat_time = absl::FromUnixMicros(columns.Int(10));
  lease.progress_serial = columns.Int(12);
  lease.moves = columns.Int(13);
  return Parse(columns.Bytes(11), lease.id, lease.progress);
}

}  // namespace

absl::Status AskJob(SqlConnection& connection, absl::string_view job_id, std::optional<StoredJob>& job) {
  return AskJob(connection, job_id, /*lock=*/false, job);
}

absl::Status JobNotFound(absl::string_view job_id) {
  return ErrorWithInfo(absl::StatusCode::kNotFound, absl::StrCat("there is no ", JobName(job_id)),
                       {"JOB_NOT_FOUND", {{"job", JobName(job_id)}}});
}

absl::StatusOr<StoredRows> LoadRows(SqlConnection& connection, absl::string_view job_id, const LoadOptions& options) {
  std::optional<StoredJob> job;
  RETURN_IF_ERROR(AskJob(connection, job_id, options.lock, job));
  std::vector<TaskRow> tasks;
  const auto on_row = [&](const SqlRow& columns) { return ReadTask(columns, tasks.emplace_back()); };
  constexpr absl::string_view kAll =
      "SELECT t.position, t.id, t.task, l.id, l.attempt, l.worker, l.incarnation, l.request_id, l.expired, l.beat, "
      "l.beat_time, l.progress, l.progress_serial, l.moves FROM tasks t LEFT JOIN leases l ON l.job = t.job AND "
      "l.position = t.position WHERE t.job = (SELECT seq FROM jobs WHERE id = $1)";
  if (options.task_id) {
    RETURN_IF_ERROR(connection.Query(on_row, absl::StrCat(kAll, " AND t.id = $2"), job_id, *options.task_id));
  } else {
    RETURN_IF_ERROR(connection.Query(on_row, absl::StrCat(kAll, " ORDER BY t.position"), job_id));
  }
  if (!job) return JobNotFound(job_id);
  return StoredRows{job->seq, {std::move(job->row), std::move(tasks)}};
}

absl::Status InsertJob(SqlConnection& connection, const CreateJobRow& create) {
  const JobRow& row = create.rows.job;
  std::optional<std::string> request_id;
  if (!create.request_id.empty()) request_id = create.request_id;
  int64_t seq = 0;
  RETURN_IF_ERROR(ExplainReservation(
      row, connection.Query(
               [&](const SqlRow& columns) {
                 seq = columns.Int(0);
                 return absl::OkStatus();
               },
               "INSERT INTO jobs (id, state, display_name, version, job, request_id, request_hash, output_key, "
               "reserved_output, workspace_uri, started, publisher, claim, claim_beat, publish_failures, priority, "
               "deadline) "
               "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) RETURNING seq",
               row.id, row.job.state(), row.job.spec().display_name(), row.job.version(), Blob(row.job), request_id,
               create.request_hash, row.output_key, ReservedOutput(row), row.workspace_uri, row.started, row.publisher,
               row.claim, row.claim_beat, row.publish_failures, row.job.priority(), Deadline(row))));
  for (const TaskRow& task : create.rows.tasks) RETURN_IF_ERROR(SaveTask(connection, seq, task));
  RETURN_IF_ERROR(SaveAudit(connection, create.audit));
  return SaveEvents(connection, seq, create.events);
}

absl::Status SaveChanges(SqlConnection& connection, int64_t seq, const JobChanges& changes, int64_t keep_events) {
  for (const std::string& uri : changes.rescued) {
    RETURN_IF_ERROR(connection.Send("DELETE FROM garbage WHERE uri = $1", uri));
  }
  RETURN_IF_ERROR(SaveGarbage(connection, changes.garbage));
  RETURN_IF_ERROR(SaveAudit(connection, changes.audit));
  // Tasks, leases and events go with it.
  if (changes.erase) return connection.Send("DELETE FROM jobs WHERE seq = $1", seq);

  if (changes.job) RETURN_IF_ERROR(UpdateJobRow(connection, seq, *changes.job));
  for (const TaskRow& task : changes.tasks) RETURN_IF_ERROR(SaveTask(connection, seq, task));
  for (const LeaseRow& lease : changes.beats) RETURN_IF_ERROR(SaveBeat(connection, lease));
  if (changes.events.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(SaveEvents(connection, seq, changes.events));
  return connection.Send("DELETE FROM events WHERE job = $1 AND version <= $2", seq,
                         changes.events.back().version() - keep_events);
}

absl::Status ExplainReservation(const JobRow& job, absl::Status status) {
  if (!absl::IsAlreadyExists(status)) return status;
  if (!absl::StrContains(status.message(), "reserved_output")) return status;
  const std::string& output = job.job.spec().output_uri();
  return ErrorWithInfo(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("output_uri: ", output, " is the output of another job that has not ended"),
                       {"OUTPUT_RESERVED", {{"field", "output_uri"}, {"value", output}}});
}

absl::StatusOr<std::vector<LeaseRef>> LoadLeases(SqlConnection& connection, std::optional<absl::string_view> worker) {
  std::vector<LeaseRef> leases;
  const auto on_row = [&](const SqlRow& columns) {
    leases.push_back({.job_id = columns.Text(0),
                      .task_id = columns.Text(1),
                      .lease_id = columns.Text(2),
                      .worker = columns.Text(3),
                      .incarnation = columns.Text(4),
                      .request_id = columns.Text(5),
                      .expired = columns.Int(6) != 0,
                      .beat = columns.Int(7),
                      .moves = columns.Int(8)});
    return absl::OkStatus();
  };
  constexpr absl::string_view kSelect =
      "SELECT j.id, t.id, l.id, l.worker, l.incarnation, l.request_id, l.expired, l.beat, l.moves FROM leases l "
      "JOIN jobs j ON j.seq = l.job JOIN tasks t ON t.job = l.job AND t.position = l.position WHERE ";
  if (worker) {
    RETURN_IF_ERROR(
        connection.Query(on_row, absl::StrCat(kSelect, "l.worker = $1 ORDER BY l.job, l.position"), *worker));
  } else {
    RETURN_IF_ERROR(connection.Query(on_row, absl::StrCat(kSelect, "l.expired = 0 ORDER BY l.job, l.position")));
  }
  return leases;
}

}  // namespace besa::server
