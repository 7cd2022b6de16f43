// A database that holds the state: who gets which connection for how long.
#pragma once

#include <functional>

#include "absl/status/status.h"

#include "server/state/sql_connection.h"

namespace besa::server {

// Thread-safe.
class SqlDatabase {
 public:
  // May be called more than once: when the database gave a transaction up, or went away before it ended.
  using Work = std::function<absl::Status(SqlConnection&)>;

  virtual ~SqlDatabase() = default;

  // Whether no other process uses the database.
  virtual bool exclusive() const = 0;

  // In one transaction, which is committed if `work` returns OK and else rolled back.
  virtual absl::Status Write(const Work& work) = 0;
  // For a single statement that only reads.
  virtual absl::Status Read(const Work& work) = 0;
  // For several statements that only read and see one state of the database.
  virtual absl::Status ReadSnapshot(const Work& work) = 0;
};

}  // namespace besa::server
