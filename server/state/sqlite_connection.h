// SQLite behind absl::Status: one connection, prepared statements that are kept, transactions that roll back.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace besa::server {

// Bytes to be bound as a BLOB.
struct SqliteBlob {
  std::string bytes;
};

// A row of a result; valid only inside the callback it is handed to.
class SqliteRow {
 public:
  explicit SqliteRow(sqlite3_stmt* statement) : statement_(statement) {}

  int64_t Int(int column) const { return sqlite3_column_int64(statement_, column); }
  // Text or bytes.
  absl::string_view Bytes(int column) const;
  std::string Text(int column) const { return std::string(Bytes(column)); }
  bool IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

 private:
  sqlite3_stmt* statement_;
};

// Not thread-safe.
class SqliteConnection {
 public:
  using OnRow = std::function<absl::Status(const SqliteRow&)>;

  // Opens or creates the file with a write-ahead log whose commits survive the loss of power.
  static absl::StatusOr<std::unique_ptr<SqliteConnection>> Open(const std::string& path);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  // Statements without parameters or results, separated by semicolons.
  absl::Status Script(const std::string& sql);

  // One statement; parameters are integers, enums, strings, SqliteBlob, or std::optional of them.
  template <class... Parameters>
  absl::Status Run(absl::string_view sql, const Parameters&... parameters) {
    return Query([](const SqliteRow&) { return absl::OkStatus(); }, sql, parameters...);
  }

  // One statement; `on_row` is called for each row and may stop by an error.
  template <class... Parameters>
  absl::Status Query(const OnRow& on_row, absl::string_view sql, const Parameters&... parameters) {
    absl::StatusOr<sqlite3_stmt*> statement = Prepare(sql);
    if (!statement.ok()) return statement.status();
    int index = 0;
    (Bind(*statement, ++index, parameters), ...);
    return StepAll(*statement, on_row);
  }

  // Rows that the last Run changed.
  int64_t changes() const { return sqlite3_changes64(database_); }
  int64_t last_insert_rowid() const { return sqlite3_last_insert_rowid(database_); }

  // The extended result code of the last failure, for telling constraints apart.
  int last_error() const { return last_error_; }

 private:
  explicit SqliteConnection(sqlite3* database) : database_(database) {}

  absl::StatusOr<sqlite3_stmt*> Prepare(absl::string_view sql);
  absl::Status StepAll(sqlite3_stmt* statement, const OnRow& on_row);
  absl::Status Error(int code);

  template <class Value>
  static void Bind(sqlite3_stmt* statement, int index, const Value& value) {
    if constexpr (std::is_enum_v<Value> || std::is_integral_v<Value>) {
      sqlite3_bind_int64(statement, index, static_cast<int64_t>(value));
    } else if constexpr (std::is_same_v<Value, SqliteBlob>) {
      sqlite3_bind_blob64(statement, index, value.bytes.data(), value.bytes.size(), SQLITE_STATIC);
    } else {
      const absl::string_view text(value);
      // A null pointer would bind NULL, not the empty string.
      sqlite3_bind_text64(statement, index, text.empty() ? "" : text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
    }
  }
  template <class Value>
  static void Bind(sqlite3_stmt* statement, int index, const std::optional<Value>& value) {
    if (value) {
      Bind(statement, index, *value);
    } else {
      sqlite3_bind_null(statement, index);
    }
  }

  sqlite3* const database_;
  std::map<std::string, sqlite3_stmt*, std::less<>> statements_;
  int last_error_ = SQLITE_OK;
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
