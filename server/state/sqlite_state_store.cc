#include "server/state/sqlite_state_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "server/state/sqlite_connection.h"
#include "server/state/sqlite_migrations.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

// Held for as long as the process uses the database; the kernel drops it when the process dies.
class FileLock {
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

class SqliteDatabase final : public SqlDatabase {
 public:
  SqliteDatabase(std::unique_ptr<FileLock> lock, std::unique_ptr<SqliteConnection> writer,
                 std::unique_ptr<SqliteConnection> reader)
      : lock_(std::move(lock)), writer_(std::move(writer)), reader_(std::move(reader)) {}

  bool exclusive() const override { return true; }

  // Whoever finds nobody writing writes for all that wait at this moment: they share one wait for the disk, which takes
  // milliseconds, while the work itself takes a fraction of one.
  absl::Status Write(const Work& work) override {
    Waiting mine{work};
    std::unique_lock<std::mutex> lock(queue_mutex_);
    queue_.push_back(&mine);
    queue_changed_.wait(lock, [&] { return mine.done || !writing_; });
    if (mine.done) return mine.status;
    writing_ = true;
    const std::vector<Waiting*> batch = std::exchange(queue_, {});
    lock.unlock();
    const absl::Status committed = WriteBatch(batch);
    lock.lock();
    writing_ = false;
    for (Waiting* waiting : batch) {
      if (waiting->status.ok()) waiting->status = committed;
      waiting->done = true;
    }
    queue_changed_.notify_all();
    return mine.status;
  }

  absl::Status Read(const Work& work) override {
    const std::lock_guard<std::mutex> guard(reader_mutex_);
    return work(*reader_);
  }

  absl::Status ReadSnapshot(const Work& work) override {
    const std::lock_guard<std::mutex> guard(reader_mutex_);
    ASSIGN_OR_RETURN(const auto transaction, SqliteTransaction::BeginRead(*reader_));
    return work(*reader_);
  }

 private:
  struct Waiting {
    const Work& work;
    absl::Status status;
    bool done = false;
  };

  // Each in a savepoint of its own, so that one that fails leaves the others alone; all in one transaction. Sets their
  // statuses; returns what became of the transaction.
  absl::Status WriteBatch(const std::vector<Waiting*>& batch) {
    ASSIGN_OR_RETURN(auto transaction, SqliteTransaction::Begin(*writer_));
    for (Waiting* waiting : batch) {
      RETURN_IF_ERROR(writer_->Run("SAVEPOINT step"));
      // What one throws must not keep the others waiting for good.
      try {
        waiting->status = waiting->work(*writer_);
      } catch (const std::exception& error) {
        waiting->status = absl::InternalError(absl::StrCat("internal error: ", error.what()));
      }
      // A full disk may have ended the whole transaction.
      if (!writer_->in_transaction()) return waiting->status;
      if (!waiting->status.ok()) RETURN_IF_ERROR(writer_->Run("ROLLBACK TO step"));
      RETURN_IF_ERROR(writer_->Run("RELEASE step"));
    }
    return transaction->Commit();
  }

  // Destroyed last: nobody else may open the file before the connections are closed.
  const std::unique_ptr<FileLock> lock_;
  std::mutex queue_mutex_;
  std::condition_variable queue_changed_;
  std::vector<Waiting*> queue_;  // guarded by queue_mutex_
  bool writing_ = false;         // guarded by queue_mutex_
  // Used by whoever set `writing_`.
  const std::unique_ptr<SqliteConnection> writer_;
  std::mutex reader_mutex_;
  const std::unique_ptr<SqliteConnection> reader_;  // guarded by reader_mutex_
};

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteStateStore>> SqliteStateStore::Open(const SqliteOptions& options,
                                                                         const Clock& clock) {
  ASSIGN_OR_RETURN(auto lock, FileLock::Take(options.path));
  ASSIGN_OR_RETURN(auto writer, SqliteConnection::Open(options.path));
  RETURN_IF_ERROR(MigrateSqlite(*writer, SqliteMigrations(), clock.Now()));
  ASSIGN_OR_RETURN(auto reader, SqliteConnection::Open(options.path));
  auto database = std::make_unique<SqliteDatabase>(std::move(lock), std::move(writer), std::move(reader));
  return std::unique_ptr<SqliteStateStore>(new SqliteStateStore(std::move(database), options.keep_events));
}

}  // namespace besa::server
