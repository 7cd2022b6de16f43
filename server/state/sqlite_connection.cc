#include "server/state/sqlite_connection.h"

#include "absl/strings/str_cat.h"

#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

constexpr int kBusyTimeoutMs = 5000;

absl::StatusCode CodeOf(int sqlite_code) {
  if (sqlite_code == SQLITE_CONSTRAINT_UNIQUE || sqlite_code == SQLITE_CONSTRAINT_PRIMARYKEY) {
    return absl::StatusCode::kAlreadyExists;
  }
  switch (sqlite_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_PROTOCOL:
      return absl::StatusCode::kUnavailable;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::StatusCode::kInternal;
  }
}

void Bind(sqlite3_stmt* statement, int index, const SqlParameter& parameter) {
  // A null pointer would bind NULL, not the empty string.
  const char* const bytes = parameter.bytes.empty() ? "" : parameter.bytes.data();
  if (parameter.null) {
    sqlite3_bind_null(statement, index);
  } else if (parameter.type == SqlParameter::Type::kInteger) {
    sqlite3_bind_int64(statement, index, parameter.integer);
  } else if (parameter.type == SqlParameter::Type::kBlob) {
    sqlite3_bind_blob64(statement, index, bytes, parameter.bytes.size(), SQLITE_STATIC);
  } else {
    sqlite3_bind_text64(statement, index, bytes, parameter.bytes.size(), SQLITE_STATIC, SQLITE_UTF8);
  }
}

}  // namespace

absl::string_view SqliteRow::Bytes(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? absl::string_view() : absl::string_view(static_cast<const char*>(bytes), size);
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& path) {
  sqlite3* database = nullptr;
  // Its own mutexes are off: whoever owns the connection guards it.
  const int code = sqlite3_open_v2(path.c_str(), &database,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (database == nullptr) return absl::ResourceExhaustedError("no memory for a database connection");
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(database));
  if (code != SQLITE_OK) {
    const absl::Status status = connection->Error(code);
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  }
  sqlite3_extended_result_codes(database, 1);
  sqlite3_busy_timeout(database, kBusyTimeoutMs);
  const absl::Status status =
      connection->Script("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
  if (!status.ok()) return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  return connection;
}

SqliteConnection::~SqliteConnection() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(database_);
}

absl::Status SqliteConnection::Script(const std::string& sql) {
  const int code = sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Error(code);
}

absl::StatusOr<sqlite3_stmt*> SqliteConnection::Prepare(absl::string_view sql) {
  const std::string key(sql);
  if (const auto found = statements_.find(key); found != statements_.end()) return found->second;
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(database_, key.data(), static_cast<int>(key.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  if (code != SQLITE_OK) return Error(code);
  statements_.emplace(key, statement);
  return statement;
}

absl::Status SqliteConnection::Execute(const OnRow& on_row, absl::string_view sql,
                                       const std::vector<SqlParameter>& parameters) {
  absl::StatusOr<sqlite3_stmt*> prepared = Prepare(sql);
  if (!prepared.ok()) return prepared.status();
  sqlite3_stmt* const statement = *prepared;
  int index = 0;
  for (const SqlParameter& parameter : parameters) Bind(statement, ++index, parameter);
  absl::Status status;
  while (status.ok()) {
    const int code = sqlite3_step(statement);
    if (code == SQLITE_DONE) break;
    status = code == SQLITE_ROW ? on_row(SqliteRow(statement)) : Error(code);
  }
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return status;
}

const SqlDialect& SqliteConnection::dialect() const {
  // Whoever writes has locked the whole database already.
  static const auto& dialect = *new SqlDialect{
      .lock_row = "",
      .greatest = "MAX",
      .advance_progress = "UPDATE counters SET value = value + 1 WHERE name = 'progress'",
      .progress_serial = "(SELECT value FROM counters WHERE name = 'progress')",
      // Those that write at the same time share one wait for the disk anyhow.
      .commit_early = "",
  };
  return dialect;
}

absl::Status SqliteConnection::Error(int code) {
  return absl::Status(CodeOf(code), absl::StrCat("state database: ", sqlite3_errmsg(database_)));
}

absl::StatusOr<std::unique_ptr<SqliteTransaction>> SqliteTransaction::Begin(SqliteConnection& connection) {
  RETURN_IF_ERROR(connection.Run("BEGIN IMMEDIATE"));
  return std::unique_ptr<SqliteTransaction>(new SqliteTransaction(connection));
}

absl::StatusOr<std::unique_ptr<SqliteTransaction>> SqliteTransaction::BeginRead(SqliteConnection& connection) {
  RETURN_IF_ERROR(connection.Run("BEGIN"));
  return std::unique_ptr<SqliteTransaction>(new SqliteTransaction(connection));
}

SqliteTransaction::~SqliteTransaction() {
  // SQLite has already rolled back by itself after some errors; then this fails and that is fine.
  if (open_) (void)connection_.Run("ROLLBACK");
}

absl::Status SqliteTransaction::Commit() {
  RETURN_IF_ERROR(connection_.Run("COMMIT"));
  open_ = false;
  return absl::OkStatus();
}

}  // namespace besa::server
