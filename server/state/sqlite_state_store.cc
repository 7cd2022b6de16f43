#include "server/state/sqlite_state_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

#include "server/state/sqlite_migrations.h"
#include "server/state/sqlite_rows.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::server {

// Held for as long as the process uses the database; the kernel drops it when the process dies.
class SqliteStateStore::FileLock {
 public:
  static absl::StatusOr<std::unique_ptr<FileLock>> Take(const std::string& database) {
    const std::string path = database + "-lock";
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) return absl::FailedPreconditionError(absl::StrCat(path, ": ", std::strerror(errno)));
    std::unique_ptr<FileLock> lock(new FileLock(file));
    if (flock(file, LOCK_EX | LOCK_NB) == 0) return lock;
    return ErrorWithInfo(absl::StatusCode::kFailedPrecondition,
                         absl::StrCat(database, " is in use by another coordinator"),
                         {"STATE_IN_USE", {{"path", database}}});
  }
  ~FileLock() { close(file_); }

 private:
  explicit FileLock(int file) : file_(file) {}

  const int file_;
};

namespace {

absl::Status HashDiffers(absl::string_view request_id) {
  return ErrorWithInfo(absl::StatusCode::kAlreadyExists,
                       absl::StrCat("request_id: ", request_id, " was used for a different request"),
                       {"REQUEST_ID_REUSED", {{"field", "request_id"}, {"value", std::string(request_id)}}});
}

// The id of the job that was created by this request; empty if none was.
absl::StatusOr<std::string> FindRequest(SqliteConnection& connection, absl::string_view request_id,
                                        absl::string_view request_hash) {
  std::string job_id;
  if (request_id.empty()) return job_id;
  RETURN_IF_ERROR(connection.Query(
      [&](const SqliteRow& row) {
        job_id = row.Text(0);
        return row.Bytes(1) == request_hash ? absl::OkStatus() : HashDiffers(request_id);
      },
      "SELECT id, request_hash FROM jobs WHERE request_id = ?", request_id));
  return job_id;
}

absl::StatusOr<JobRows> LoadRows(SqliteConnection& connection, absl::string_view job_id) {
  ASSIGN_OR_RETURN(StoredJob stored, LoadJob(connection, job_id));
  ASSIGN_OR_RETURN(std::vector<TaskRow> tasks, LoadTasks(connection, stored.seq, std::nullopt));
  return JobRows{std::move(stored.row), std::move(tasks)};
}

absl::StatusOr<EventPage> LoadEvents(SqliteConnection& connection, absl::string_view job_id, int64_t after_version,
                                     int32_t limit) {
  ASSIGN_OR_RETURN(const StoredJob stored, LoadJob(connection, job_id));
  EventPage page;
  RETURN_IF_ERROR(connection.Query(
      [&](const SqliteRow& row) -> absl::Status {
        if (page.events.emplace_back().ParseFromString(row.Text(0))) return absl::OkStatus();
        return absl::DataLossError("state database: an event cannot be read");
      },
      "SELECT event FROM events WHERE job = ? AND version > ? ORDER BY version LIMIT ?", stored.seq, after_version,
      limit));
  const int64_t current = stored.row.job.version();
  const int64_t first = page.events.empty() ? current + 1 : page.events.front().version();
  page.too_old = after_version > current || first != after_version + 1;
  if (page.too_old) page.events.clear();
  return page;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteStateStore>> SqliteStateStore::Open(const SqliteOptions& options,
                                                                         const Clock& clock) {
  ASSIGN_OR_RETURN(auto lock, FileLock::Take(options.path));
  ASSIGN_OR_RETURN(auto writer, SqliteConnection::Open(options.path));
  RETURN_IF_ERROR(MigrateSqlite(*writer, SqliteMigrations(), clock.Now()));
  ASSIGN_OR_RETURN(auto reader, SqliteConnection::Open(options.path));
  return std::unique_ptr<SqliteStateStore>(
      new SqliteStateStore(options, std::move(lock), std::move(writer), std::move(reader)));
}

SqliteStateStore::SqliteStateStore(const SqliteOptions& options, std::unique_ptr<FileLock> lock,
                                   std::unique_ptr<SqliteConnection> writer, std::unique_ptr<SqliteConnection> reader)
    : keep_events_(options.keep_events),
      lock_(std::move(lock)),
      writer_(std::move(writer)),
      reader_(std::move(reader)) {}

SqliteStateStore::~SqliteStateStore() = default;

absl::StatusOr<JobRows> SqliteStateStore::CreateJob(const CreateJobRow& create) {
  const std::lock_guard<std::mutex> guard(writer_mutex_);
  ASSIGN_OR_RETURN(auto transaction, SqliteTransaction::Begin(*writer_));
  ASSIGN_OR_RETURN(const std::string existing, FindRequest(*writer_, create.request_id, create.request_hash));
  if (!existing.empty()) return LoadRows(*writer_, existing);
  RETURN_IF_ERROR(InsertJob(*writer_, create).status());
  RETURN_IF_ERROR(transaction->Commit());
  return create.rows;
}

absl::StatusOr<std::optional<v1::Job>> SqliteStateStore::FindCreated(absl::string_view request_id,
                                                                     absl::string_view request_hash) {
  const std::lock_guard<std::mutex> guard(reader_mutex_);
  ASSIGN_OR_RETURN(const std::string job_id, FindRequest(*reader_, request_id, request_hash));
  if (job_id.empty()) return std::nullopt;
  ASSIGN_OR_RETURN(StoredJob stored, LoadJob(*reader_, job_id));
  return std::move(stored.row.job);
}

absl::Status SqliteStateStore::UpdateJob(absl::string_view job_id, const JobStep& step) {
  const std::lock_guard<std::mutex> guard(writer_mutex_);
  ASSIGN_OR_RETURN(auto transaction, SqliteTransaction::Begin(*writer_));
  ASSIGN_OR_RETURN(StoredJob stored, LoadJob(*writer_, job_id));
  ASSIGN_OR_RETURN(std::vector<TaskRow> tasks, LoadTasks(*writer_, stored.seq, std::nullopt));
  const JobChanges changes = step({std::move(stored.row), std::move(tasks)});
  if (changes.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(SaveChanges(*writer_, stored.seq, changes, keep_events_));
  return transaction->Commit();
}

absl::Status SqliteStateStore::UpdateTask(absl::string_view job_id, absl::string_view task_id, const TaskStep& step) {
  const std::lock_guard<std::mutex> guard(writer_mutex_);
  ASSIGN_OR_RETURN(auto transaction, SqliteTransaction::Begin(*writer_));
  ASSIGN_OR_RETURN(const StoredJob stored, LoadJob(*writer_, job_id));
  ASSIGN_OR_RETURN(const std::vector<TaskRow> tasks, LoadTasks(*writer_, stored.seq, task_id));
  if (tasks.empty()) return absl::NotFoundError(absl::StrCat("job ", job_id, " has no task ", task_id));
  const JobChanges changes = step(stored.row, tasks.front());
  if (changes.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(SaveChanges(*writer_, stored.seq, changes, keep_events_));
  return transaction->Commit();
}

absl::StatusOr<JobRows> SqliteStateStore::ReadJob(absl::string_view job_id) {
  const std::lock_guard<std::mutex> guard(reader_mutex_);
  // So that job and tasks are of one version.
  ASSIGN_OR_RETURN(const auto transaction, SqliteTransaction::BeginRead(*reader_));
  return LoadRows(*reader_, job_id);
}

absl::StatusOr<JobPage> SqliteStateStore::ListJobs(int32_t limit, int64_t from, const JobFilter& filter) {
  const std::lock_guard<std::mutex> guard(reader_mutex_);
  JobPage page;
  const absl::Status page_full = absl::CancelledError();
  const absl::Status status = reader_->Query(
      [&](const SqliteRow& row) -> absl::Status {
        if (!Matches(filter, static_cast<v1::JobState>(row.Int(1)), row.Bytes(2))) return absl::OkStatus();
        if (page.jobs.size() == static_cast<size_t>(limit)) {
          page.next = row.Int(0);
          return page_full;
        }
        if (page.jobs.emplace_back().ParseFromString(row.Text(3))) return absl::OkStatus();
        return absl::DataLossError("state database: a job cannot be read");
      },
      "SELECT seq, state, display_name, job FROM jobs WHERE ?1 = 0 OR seq <= ?1 ORDER BY seq DESC", from);
  if (!status.ok() && status != page_full) return status;
  return page;
}

absl::StatusOr<EventPage> SqliteStateStore::ReadEvents(absl::string_view job_id, int64_t after_version, int32_t limit) {
  const std::lock_guard<std::mutex> guard(reader_mutex_);
  // So that version and events belong together.
  ASSIGN_OR_RETURN(const auto transaction, SqliteTransaction::BeginRead(*reader_));
  return LoadEvents(*reader_, job_id, after_version, limit);
}

absl::StatusOr<std::vector<ProgressRow>> SqliteStateStore::ReadProgress(absl::string_view job_id,
                                                                        int64_t after_serial) {
  const std::lock_guard<std::mutex> guard(reader_mutex_);
  std::vector<ProgressRow> rows;
  RETURN_IF_ERROR(reader_->Query(
      [&](const SqliteRow& row) -> absl::Status {
        ProgressRow& progress = rows.emplace_back();
        progress.task_id = row.Text(0);
        progress.serial = row.Int(2);
        if (progress.progress.ParseFromString(row.Text(1))) return absl::OkStatus();
        return absl::DataLossError("state database: a task's progress cannot be read");
      },
      "SELECT t.id, l.progress, l.progress_serial FROM jobs j JOIN leases l ON l.job = j.seq "
      "JOIN tasks t ON t.job = l.job AND t.position = l.position "
      "WHERE j.id = ? AND l.expired = 0 AND l.progress_serial > ? ORDER BY l.progress_serial",
      job_id, after_serial));
  return rows;
}

template <class... Parameters>
absl::StatusOr<std::vector<std::string>> SqliteStateStore::ReadIds(absl::string_view sql,
                                                                   const Parameters&... parameters) {
  const std::lock_guard<std::mutex> guard(reader_mutex_);
  std::vector<std::string> ids;
  RETURN_IF_ERROR(reader_->Query(
      [&](const SqliteRow& row) {
        ids.push_back(row.Text(0));
        return absl::OkStatus();
      },
      sql, parameters...));
  return ids;
}

absl::StatusOr<std::vector<std::string>> SqliteStateStore::JobsWithWork(int64_t memory_bytes, int32_t limit) {
  // 2 is TASK_STATE_PENDING, as in the partial index that this reads.
  return ReadIds(
      "SELECT id FROM jobs WHERE seq IN (SELECT job FROM tasks WHERE state = 2 AND memory_bytes <= ?) "
      "ORDER BY seq LIMIT ?",
      memory_bytes, limit);
}

absl::StatusOr<std::vector<std::string>> SqliteStateStore::JobsToPublish() {
  return ReadIds(
      absl::StrCat("SELECT id FROM jobs WHERE state = ", static_cast<int>(v1::JOB_STATE_PUBLISHING), " ORDER BY seq"));
}

absl::StatusOr<std::vector<std::string>> SqliteStateStore::IdleJobs() {
  return ReadIds(
      "SELECT id FROM jobs WHERE reserved_output IS NOT NULL AND seq NOT IN (SELECT job FROM leases WHERE expired = 0) "
      "ORDER BY seq");
}

absl::StatusOr<std::vector<LeaseRef>> SqliteStateStore::LeasesOfWorker(absl::string_view worker) {
  const std::lock_guard<std::mutex> guard(reader_mutex_);
  return LoadLeases(*reader_, worker);
}

}  // namespace besa::server
