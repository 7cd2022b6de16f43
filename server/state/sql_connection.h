// A connection to a SQL database behind absl::Status: what SQLite and PostgreSQL have in common.
//
// Statements are written once, for both: parameters are $1, $2, ... in the order of their first use, every integer
// column is 64 bits wide, bytes are bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace besa::server {

// Bytes to be bound, as opposed to text.
struct SqlBlob {
  std::string bytes;
};

// A parameter of a statement. It refers to the value that it was made of.
struct SqlParameter {
  enum class Type { kInteger, kText, kBlob };
  Type type = Type::kInteger;
  bool null = false;
  int64_t integer = 0;
  absl::string_view bytes;
};

// A row of a result; valid only inside the callback it is handed to.
class SqlRow {
 public:
  virtual ~SqlRow() = default;

  virtual int64_t Int(int column) const = 0;
  // Text or bytes.
  virtual absl::string_view Bytes(int column) const = 0;
  virtual bool IsNull(int column) const = 0;
  std::string Text(int column) const { return std::string(Bytes(column)); }
};

// Where the dialects differ.
struct SqlDialect {
  // Appended to a SELECT of a row that is to be changed: nobody else may change it before this transaction ends.
  std::string lock_row;
  // The larger of two values: a function's name.
  std::string greatest;
  // Run before `progress_serial` is used; may be empty.
  std::string advance_progress;
  // An expression: a number that is larger than all that were stored for the same job before, for a transaction that
  // has locked the job.
  std::string progress_serial;
  // Run in a transaction whose changes may be lost if the database crashes within the next second: nobody waits for the
  // disk then. May be empty.
  std::string commit_early;
};

// Not thread-safe. Errors: ALREADY_EXISTS if a value that must be unique is there already (the message names column or
// constraint); UNAVAILABLE if the database is busy or gone; ABORTED if it gave the transaction up in favour of another;
// RESOURCE_EXHAUSTED if its disk is full; DATA_LOSS if it is damaged; FAILED_PRECONDITION if it refuses us.
class SqlConnection {
 public:
  using OnRow = std::function<absl::Status(const SqlRow&)>;

  virtual ~SqlConnection() = default;

  virtual const SqlDialect& dialect() const = 0;

  // Statements without parameters or results, separated by semicolons.
  virtual absl::Status Script(const std::string& sql) = 0;

  // One statement; `on_row` is called for each row and may stop by an error.
  virtual absl::Status Execute(const OnRow& on_row, absl::string_view sql,
                               const std::vector<SqlParameter>& parameters) = 0;

  // The same, but a connection to a server may send it along with those that follow, as a round trip takes longer than
  // most statements. They run in order; after one that failed the others don't run. Rows and error come at the latest
  // with the next Execute, the error of the last ones at the end of the transaction, their rows never.
  virtual absl::Status ExecuteLater(OnRow on_row, absl::string_view sql, const std::vector<SqlParameter>& parameters) {
    return Execute(on_row, sql, parameters);
  }

  // Rows that the last statement inserted, changed or deleted; not for one that was to be executed later.
  virtual int64_t changes() const = 0;

  // Parameters are integers, enums, strings, SqlBlob, or std::optional of them. Query and Run are done when they
  // return, Ask and Send by ExecuteLater.
  template <class... Parameters>
  absl::Status Query(const OnRow& on_row, absl::string_view sql, const Parameters&... parameters) {
    return Execute(on_row, sql, {Parameter(parameters)...});
  }
  template <class... Parameters>
  absl::Status Run(absl::string_view sql, const Parameters&... parameters) {
    return Query(IgnoreRow, sql, parameters...);
  }
  template <class... Parameters>
  absl::Status Ask(OnRow on_row, absl::string_view sql, const Parameters&... parameters) {
    return ExecuteLater(std::move(on_row), sql, {Parameter(parameters)...});
  }
  template <class... Parameters>
  absl::Status Send(absl::string_view sql, const Parameters&... parameters) {
    return Ask(IgnoreRow, sql, parameters...);
  }

  // Nobody needs to be told that the changes of this transaction are on the disk (see SqlDialect::commit_early). Others
  // see them as always, and what is committed after them is never kept without them.
  absl::Status CommitEarly() {
    return dialect().commit_early.empty() ? absl::OkStatus() : Send(dialect().commit_early);
  }

 private:
  static absl::Status IgnoreRow(const SqlRow& /*row*/) { return absl::OkStatus(); }

  template <class Value>
  static SqlParameter Parameter(const Value& value) {
    if constexpr (std::is_enum_v<Value> || std::is_integral_v<Value>) {
      return {.type = SqlParameter::Type::kInteger, .integer = static_cast<int64_t>(value)};
    } else if constexpr (std::is_same_v<Value, SqlBlob>) {
      return {.type = SqlParameter::Type::kBlob, .bytes = value.bytes};
    } else {
      return {.type = SqlParameter::Type::kText, .bytes = absl::string_view(value)};
    }
  }
  template <class Value>
  static SqlParameter Parameter(const std::optional<Value>& value) {
    SqlParameter parameter = Parameter(value ? *value : Value());
    if (value) return Parameter(*value);
    parameter.null = true;
    parameter.bytes = {};
    return parameter;
  }
};

}  // namespace besa::server
