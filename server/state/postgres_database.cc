#include "server/state/postgres_database.h"

#include <utility>

#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

constexpr int kTries = 5;

}  // namespace

absl::StatusOr<PostgresDatabase::Connection> PostgresDatabase::Take() {
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (!idle_.empty()) {
      Connection connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  return PostgresConnection::Open(conninfo_);
}

void PostgresDatabase::GiveBack(Connection connection) {
  std::vector<Connection> closed;
  const std::lock_guard<std::mutex> guard(mutex_);
  if (!connection->broken() && !connection->in_transaction()) {
    idle_.push_back(std::move(connection));
  } else {
    // The server went away: the others are of no use either.
    closed.swap(idle_);
  }
}

absl::Status PostgresDatabase::TryOnce(PostgresConnection& connection, const char* begin, const Work& work,
                                       bool& unknown) {
  if (begin == nullptr) return work(connection);
  RETURN_IF_ERROR(connection.Send(begin));
  const absl::Status status = work(connection);
  if (status.ok()) {
    const absl::Status committed = connection.Commit(unknown);
    if (committed.ok() || unknown) return committed;
    (void)connection.Rollback();
    return committed;
  }
  (void)connection.Rollback();
  return status;
}

absl::Status PostgresDatabase::Run(const char* begin, const Work& work) {
  absl::Status status;
  for (int i = 0; i < kTries; ++i) {
    ASSIGN_OR_RETURN(Connection connection, Take());
    bool unknown = false;
    status = TryOnce(*connection, begin, work, unknown);
    const bool broken = connection->broken();
    GiveBack(std::move(connection));
    if (unknown) return status;
    if (!broken && !absl::IsAborted(status)) return status;
  }
  // Not ABORTED: that word has a meaning of its own to callers.
  return absl::UnavailableError(status.message());
}

absl::Status PostgresDatabase::Write(const Work& work) { return Run("BEGIN", work); }

absl::Status PostgresDatabase::Read(const Work& work) { return Run(nullptr, work); }

absl::Status PostgresDatabase::ReadSnapshot(const Work& work) {
  return Run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", work);
}

}  // namespace besa::server
