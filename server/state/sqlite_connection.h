// SQLite as a SqlConnection, and transactions that roll back.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "server/state/sql_connection.h"

namespace besa::server {

// A row of a result; valid only inside the callback it is handed to.
class SqliteRow final : public SqlRow {
 public:
  explicit SqliteRow(sqlite3_stmt* statement) : statement_(statement) {}

  int64_t Int(int column) const override { return sqlite3_column_int64(statement_, column); }
  absl::string_view Bytes(int column) const override;
  bool IsNull(int column) const override { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

 private:
  sqlite3_stmt* statement_;
};

// Not thread-safe.
class SqliteConnection final : public SqlConnection {
 public:
  // Opens or creates the file with a write-ahead log whose commits survive the loss of power.
  static absl::StatusOr<std::unique_ptr<SqliteConnection>> Open(const std::string& path);
  ~SqliteConnection() override;
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  const SqlDialect& dialect() const override;
  absl::Status Script(const std::string& sql) override;
  absl::Status Execute(const OnRow& on_row, absl::string_view sql,
                       const std::vector<SqlParameter>& parameters) override;
  int64_t changes() const override { return sqlite3_changes64(database_); }
  bool in_transaction() const { return sqlite3_get_autocommit(database_) == 0; }

 private:
  explicit SqliteConnection(sqlite3* database) : database_(database) {}

  absl::StatusOr<sqlite3_stmt*> Prepare(absl::string_view sql);
  absl::Status Error(int code);

  sqlite3* const database_;
  // Prepared statements are kept.
  std::map<std::string, sqlite3_stmt*, std::less<>> statements_;
};

// BEGIN ... COMMIT; rolled back unless committed.
class SqliteTransaction {
 public:
  // Takes the write lock at once.
  static absl::StatusOr<std::unique_ptr<SqliteTransaction>> Begin(SqliteConnection& connection);
  // Several reads of one state of the database; needs no commit.
  static absl::StatusOr<std::unique_ptr<SqliteTransaction>> BeginRead(SqliteConnection& connection);
  ~SqliteTransaction();
  SqliteTransaction(const SqliteTransaction&) = delete;
  SqliteTransaction& operator=(const SqliteTransaction&) = delete;

  absl::Status Commit();

 private:
  explicit SqliteTransaction(SqliteConnection& connection) : connection_(connection) {}

  SqliteConnection& connection_;
  bool open_ = true;
};

}  // namespace besa::server
