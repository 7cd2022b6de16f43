// A PostgreSQL database that several coordinators share: a pool of connections, and what to do when one breaks.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/state/postgres_connection.h"
#include "server/state/sql_database.h"

namespace besa::server {

// Thread-safe. A thread that works takes a connection of its own, so there are as many as threads that call.
//
// A transaction that the server gave up in favour of another is run again. So is one whose connection turned out to be
// broken before its commit was sent: the server rolls it back. If the connection breaks while the commit is on its way
// nobody knows what became of it, and UNAVAILABLE is returned.
class PostgresDatabase final : public SqlDatabase {
 public:
  explicit PostgresDatabase(std::string conninfo) : conninfo_(std::move(conninfo)) {}

  bool exclusive() const override { return false; }
  absl::Status Write(const Work& work) override;
  absl::Status Read(const Work& work) override;
  absl::Status ReadSnapshot(const Work& work) override;

 private:
  using Connection = std::unique_ptr<PostgresConnection>;

  absl::StatusOr<Connection> Take();
  // Closes it instead if it cannot be used any more.
  void GiveBack(Connection connection);
  // Runs `work` between `begin` and a commit; both are left out if `begin` is null.
  absl::Status Run(const char* begin, const Work& work);
  absl::Status TryOnce(PostgresConnection& connection, const char* begin, const Work& work, bool& unknown);

  const std::string conninfo_;
  std::mutex mutex_;
  std::vector<Connection> idle_;  // guarded by mutex_
};

}  // namespace besa::server
