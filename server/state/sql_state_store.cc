#include "server/state/sql_state_store.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "server/state/sql_rows.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

absl::Status HashDiffers(absl::string_view request_id) {
  return ErrorWithInfo(absl::StatusCode::kAlreadyExists,
                       absl::StrCat("request_id: ", request_id, " was used for a different request"),
                       {"REQUEST_ID_REUSED", {{"field", "request_id"}, {"value", std::string(request_id)}}});
}

// The id of the job that was created by this request; empty if none was.
absl::StatusOr<std::string> FindRequest(SqlConnection& connection, absl::string_view request_id,
                                        absl::string_view request_hash) {
  std::string job_id;
  if (request_id.empty()) return job_id;
  RETURN_IF_ERROR(connection.Query(
      [&](const SqlRow& row) {
        job_id = row.Text(0);
        return row.Bytes(1) == request_hash ? absl::OkStatus() : HashDiffers(request_id);
      },
      "SELECT id, request_hash FROM jobs WHERE request_id = $1", request_id));
  return job_id;
}

absl::StatusOr<EventPage> LoadEvents(SqlConnection& connection, absl::string_view job_id, int64_t after_version,
                                     int32_t limit) {
  std::optional<StoredJob> job;
  RETURN_IF_ERROR(AskJob(connection, job_id, job));
  EventPage page;
  RETURN_IF_ERROR(connection.Query(
      [&](const SqlRow& row) -> absl::Status {
        if (page.events.emplace_back().ParseFromString(row.Text(0))) return absl::OkStatus();
        return absl::DataLossError("state database: an event cannot be read");
      },
      "SELECT event FROM events WHERE job = (SELECT seq FROM jobs WHERE id = $1) AND version > $2 ORDER BY version "
      "LIMIT $3",
      job_id, after_version, limit));
  if (!job) return JobNotFound(job_id);
  const int64_t current = job->row.job.version();
  const int64_t first = page.events.empty() ? current + 1 : page.events.front().version();
  page.too_old = after_version > current || first != after_version + 1;
  if (page.too_old) page.events.clear();
  return page;
}

// Nothing else, or nothing at all.
bool OnlyBeats(JobChanges& changes) {
  const std::vector<LeaseRow> beats = std::exchange(changes.beats, {});
  const bool only = changes.empty();
  changes.beats = beats;
  return only;
}

}  // namespace

SqlStateStore::SqlStateStore(std::unique_ptr<SqlDatabase> database, int64_t keep_events)
    : database_(std::move(database)), keep_events_(keep_events) {}

absl::StatusOr<JobRows> SqlStateStore::CreateJob(const CreateJobRow& create) {
  JobRows rows;
  const auto insert = [&](SqlConnection& connection) -> absl::Status {
    rows = create.rows;
    ASSIGN_OR_RETURN(const std::string existing, FindRequest(connection, create.request_id, create.request_hash));
    if (existing.empty()) return InsertJob(connection, create);
    ASSIGN_OR_RETURN(StoredRows stored, LoadRows(connection, existing, {}));
    rows = std::move(stored.rows);
    return absl::OkStatus();
  };
  absl::Status status = database_->Write(insert);
  // Another coordinator was handed the same request at the same time: now its job can be read.
  if (absl::IsAlreadyExists(status) && !GetErrorInfo(status)) status = database_->Write(insert);
  RETURN_IF_ERROR(status);
  return rows;
}

absl::StatusOr<std::optional<v1::Job>> SqlStateStore::FindCreated(absl::string_view request_id,
                                                                  absl::string_view request_hash) {
  std::optional<v1::Job> job;
  RETURN_IF_ERROR(database_->ReadSnapshot([&](SqlConnection& connection) -> absl::Status {
    job.reset();
    ASSIGN_OR_RETURN(const std::string job_id, FindRequest(connection, request_id, request_hash));
    if (job_id.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(StoredRows stored, LoadRows(connection, job_id, {}));
    job = std::move(stored.rows.job.job);
    return absl::OkStatus();
  }));
  return job;
}

absl::Status SqlStateStore::Update(absl::string_view job_id, const LoadOptions& options, const JobStep& step) {
  JobChanges changes;
  const absl::Status written = database_->Write([&](SqlConnection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(StoredRows stored, LoadRows(connection, job_id, options));
    changes = step(std::move(stored.rows));
    // If a beat is lost the next one comes.
    if (OnlyBeats(changes)) RETURN_IF_ERROR(connection.CommitEarly());
    return SaveChanges(connection, stored.seq, changes, keep_events_);
  });
  return changes.job ? ExplainReservation(*changes.job, written) : written;
}

absl::Status SqlStateStore::UpdateJob(absl::string_view job_id, const JobStep& step) {
  return Update(job_id, {.lock = true}, step);
}

absl::Status SqlStateStore::UpdateTask(absl::string_view job_id, absl::string_view task_id, const TaskStep& step) {
  bool found = true;
  RETURN_IF_ERROR(Update(job_id, {.lock = true, .task_id = task_id}, [&](const JobRows& rows) {
    found = !rows.tasks.empty();
    return found ? step(rows.job, rows.tasks.front()) : JobChanges();
  }));
  return found ? absl::OkStatus() : absl::NotFoundError(absl::StrCat("job ", job_id, " has no task ", task_id));
}

absl::StatusOr<JobRows> SqlStateStore::ReadJob(absl::string_view job_id) {
  JobRows rows;
  // So that job and tasks are of one version.
  RETURN_IF_ERROR(database_->ReadSnapshot([&](SqlConnection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(StoredRows stored, LoadRows(connection, job_id, {}));
    rows = std::move(stored.rows);
    return absl::OkStatus();
  }));
  return rows;
}

absl::StatusOr<JobPage> SqlStateStore::ListJobs(int32_t limit, int64_t from, const JobFilter& filter) {
  JobPage page;
  const absl::Status page_full = absl::CancelledError();
  v1::Job job;
  const auto on_row = [&](const SqlRow& row) -> absl::Status {
    if (!MayMatch(filter, static_cast<v1::JobState>(row.Int(1)), row.Bytes(2))) return absl::OkStatus();
    if (!job.ParseFromArray(row.Bytes(3).data(), static_cast<int>(row.Bytes(3).size()))) {
      return absl::DataLossError("state database: a job cannot be read");
    }
    if (!Matches(filter, job)) return absl::OkStatus();
    if (page.jobs.size() == static_cast<size_t>(limit)) {
      page.next = row.Int(0);
      return page_full;
    }
    page.jobs.push_back(std::move(job));
    return absl::OkStatus();
  };
  const absl::Status status = database_->Read([&](SqlConnection& connection) {
    page = {};
    return connection.Query(
        on_row, "SELECT seq, state, display_name, job FROM jobs WHERE $1 = 0 OR seq <= $1 ORDER BY seq DESC", from);
  });
  if (!status.ok() && status != page_full) return status;
  return page;
}

absl::StatusOr<EventPage> SqlStateStore::ReadEvents(absl::string_view job_id, int64_t after_version, int32_t limit) {
  EventPage page;
  // So that version and events belong together.
  RETURN_IF_ERROR(database_->ReadSnapshot([&](SqlConnection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(page, LoadEvents(connection, job_id, after_version, limit));
    return absl::OkStatus();
  }));
  return page;
}

absl::StatusOr<std::vector<ProgressRow>> SqlStateStore::ReadProgress(absl::string_view job_id, int64_t after_serial) {
  std::vector<ProgressRow> rows;
  RETURN_IF_ERROR(Select(
      [&](const SqlRow& row) -> absl::Status {
        ProgressRow& progress = rows.emplace_back();
        progress.task_id = row.Text(0);
        progress.serial = row.Int(2);
        if (progress.progress.ParseFromString(row.Text(1))) return absl::OkStatus();
        return absl::DataLossError("state database: a task's progress cannot be read");
      },
      "SELECT t.id, l.progress, l.progress_serial FROM jobs j JOIN leases l ON l.job = j.seq "
      "JOIN tasks t ON t.job = l.job AND t.position = l.position "
      "WHERE j.id = $1 AND l.expired = 0 AND l.progress_serial > $2 ORDER BY l.progress_serial",
      job_id, after_serial));
  return rows;
}

template <class... Parameters>
absl::StatusOr<std::vector<std::string>> SqlStateStore::ReadIds(absl::string_view sql,
                                                                const Parameters&... parameters) {
  std::vector<std::string> ids;
  RETURN_IF_ERROR(Select(
      [&](const SqlRow& row) {
        ids.push_back(row.Text(0));
        return absl::OkStatus();
      },
      sql, parameters...));
  return ids;
}

absl::StatusOr<std::vector<WorkRef>> SqlStateStore::JobsWithWork(int64_t memory_bytes) {
  std::vector<WorkRef> jobs;
  // States 1 to 4 are those in which tasks are leased; 2 is TASK_STATE_PENDING, as in the partial index that this
  // reads.
  RETURN_IF_ERROR(Select(
      [&](const SqlRow& row) {
        jobs.push_back({row.Text(0), static_cast<int32_t>(row.Int(1)), row.Int(2)});
        return absl::OkStatus();
      },
      "SELECT j.id, j.priority, (SELECT COUNT(*) FROM leases l WHERE l.job = j.seq AND l.expired = 0) FROM jobs j "
      "WHERE j.state IN (1, 2, 3, 4) AND EXISTS (SELECT 1 FROM tasks t WHERE t.job = j.seq AND t.state = 2 AND "
      "t.memory_bytes <= $1) ORDER BY j.seq",
      memory_bytes));
  return jobs;
}

absl::StatusOr<std::vector<std::string>> SqlStateStore::JobsToPublish() {
  return ReadIds("SELECT id FROM jobs WHERE state = $1 ORDER BY seq", v1::JOB_STATE_PUBLISHING);
}

absl::StatusOr<std::vector<std::string>> SqlStateStore::JobsWithDueHook(absl::Time now, int32_t limit) {
  return ReadIds("SELECT id FROM jobs WHERE hook_due <= $1 ORDER BY hook_due, seq LIMIT $2", absl::ToUnixMicros(now),
                 limit);
}

absl::StatusOr<int64_t> SqlStateStore::CountPendingHooks() {
  int64_t count = 0;
  RETURN_IF_ERROR(Select(
      [&](const SqlRow& row) {
        count = row.Int(0);
        return absl::OkStatus();
      },
      "SELECT COUNT(*) FROM jobs WHERE hook_due IS NOT NULL"));
  return count;
}

absl::StatusOr<std::vector<std::string>> SqlStateStore::IdleJobs() {
  return ReadIds(
      "SELECT id FROM jobs WHERE reserved_output IS NOT NULL AND NOT EXISTS (SELECT 1 FROM leases WHERE job = jobs.seq "
      "AND expired = 0) ORDER BY seq");
}

absl::StatusOr<std::vector<std::string>> SqlStateStore::OverdueJobs(absl::Time now) {
  return ReadIds("SELECT id FROM jobs WHERE deadline <= $1 ORDER BY seq", absl::ToUnixMicros(now));
}

absl::StatusOr<std::vector<LeaseRef>> SqlStateStore::LeasesOfWorker(absl::string_view worker) {
  std::vector<LeaseRef> leases;
  RETURN_IF_ERROR(database_->Read([&](SqlConnection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(leases, LoadLeases(connection, worker));
    return absl::OkStatus();
  }));
  return leases;
}

}  // namespace besa::server
