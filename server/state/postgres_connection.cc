#include "server/state/postgres_connection.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

// Object ids of types, from the server's catalogue pg_type.
constexpr Oid kInt8 = 20;
constexpr Oid kText = 25;
constexpr Oid kBytea = 17;

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ClearResult>;

// Notices ("relation exists, skipping") are of no interest.
void IgnoreNotice(void* /*context*/, const PGresult* /*result*/) {}

uint64_t BigEndian(int64_t value) {
  uint64_t bytes = 0;
  for (int i = 0; i < 8; ++i) {
    reinterpret_cast<unsigned char*>(&bytes)[i] =
        static_cast<unsigned char>(static_cast<uint64_t>(value) >> (8 * (7 - i)));
  }
  return bytes;
}

class PostgresRow final : public SqlRow {
 public:
  PostgresRow(const PGresult* result, int row) : result_(result), row_(row) {}

  int64_t Int(int column) const override {
    const absl::string_view bytes = Bytes(column);
    if (bytes.empty()) return 0;
    // Sign-extended from whatever width the column has.
    uint64_t value = (bytes[0] & 0x80) != 0 ? ~uint64_t{0} : 0;
    for (const char byte : bytes) value = (value << 8) | static_cast<unsigned char>(byte);
    return static_cast<int64_t>(value);
  }
  absl::string_view Bytes(int column) const override {
    return {PQgetvalue(result_, row_, column), static_cast<size_t>(PQgetlength(result_, row_, column))};
  }
  bool IsNull(int column) const override { return PQgetisnull(result_, row_, column) != 0; }

 private:
  const PGresult* const result_;
  const int row_;
};

// By SQLSTATE: https://www.postgresql.org/docs/15/errcodes-appendix.html
absl::StatusCode CodeOf(absl::string_view state) {
  if (state == "23505") return absl::StatusCode::kAlreadyExists;
  // Serialization failure, deadlock.
  if (state == "40001" || state == "40P01") return absl::StatusCode::kAborted;
  if (state == "53100" || state == "53200") return absl::StatusCode::kResourceExhausted;
  if (state == "XX001" || state == "XX002") return absl::StatusCode::kDataLoss;
  // Connection lost, shutting down or starting, too many connections, a lock not granted in time, a statement
  // cancelled, a standby, an I/O error.
  for (const char* prefix : {"08", "57P", "533", "55P03", "57014", "25006", "58", "25P03"}) {
    if (absl::StartsWith(state, prefix)) return absl::StatusCode::kUnavailable;
  }
  // Data that cannot be stored: a NUL in a text.
  if (absl::StartsWith(state, "22")) return absl::StatusCode::kInvalidArgument;
  // No such database or user, wrong password, no right.
  if (absl::StartsWith(state, "28") || state == "3D000" || state == "42501") {
    return absl::StatusCode::kFailedPrecondition;
  }
  return absl::StatusCode::kInternal;
}

std::string OneLine(absl::string_view message) {
  std::string line(absl::StripSuffix(message, "\n"));
  for (char& c : line) c = c == '\n' ? ' ' : c;
  return line;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PostgresConnection>> PostgresConnection::Open(const std::string& conninfo) {
  // What stands in conninfo wins: it is expanded last.
  const char* const keys[] = {"connect_timeout",  "keepalives_idle",  "keepalives_interval",
                              "keepalives_count", "tcp_user_timeout", "client_encoding",
                              "application_name", "dbname",           nullptr};
  const char* const values[] = {"5", "10", "5", "3", "15000", "UTF8", "besa-coordinator", conninfo.c_str(), nullptr};
  PGconn* const raw = PQconnectdbParams(keys, values, /*expand_dbname=*/1);
  if (raw == nullptr) return absl::ResourceExhaustedError("no memory for a database connection");
  std::unique_ptr<PostgresConnection> connection(new PostgresConnection(raw));
  if (connection->broken()) {
    const std::string message = OneLine(PQerrorMessage(raw));
    // Before there is a session there is no SQLSTATE to be had.
    const bool refused = absl::StrContains(message, "authentication failed") ||
                         (absl::StrContains(message, "FATAL") && absl::StrContains(message, "does not exist")) ||
                         absl::StrContains(message, "invalid") || absl::StrContains(message, "no pg_hba.conf entry");
    return absl::Status(refused ? absl::StatusCode::kFailedPrecondition : absl::StatusCode::kUnavailable,
                        absl::StrCat("state database: ", message));
  }
  PQsetNoticeReceiver(raw, IgnoreNotice, nullptr);
  RETURN_IF_ERROR(connection->Script(
      // A coordinator that hangs or was cut off inside a transaction must not keep its locks.
      "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '5s'; SET statement_timeout = '30s'; "
      "SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'"));
  return connection;
}

PostgresConnection::~PostgresConnection() { PQfinish(connection_); }

const SqlDialect& PostgresConnection::dialect() const {
  static const auto& dialect = *new SqlDialect{
      .lock_row = " FOR UPDATE",
      .greatest = "GREATEST",
      .advance_progress = "",
      .progress_serial = "nextval('progress')",
      .commit_early = "SET LOCAL synchronous_commit = off",
  };
  return dialect;
}

absl::Status PostgresConnection::Broken() {
  return absl::Status(broken() ? absl::StatusCode::kUnavailable : absl::StatusCode::kInternal,
                      absl::StrCat("state database: ", OneLine(PQerrorMessage(connection_))));
}

absl::Status PostgresConnection::Check(const PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) return absl::OkStatus();
  // Whose reason is the error of an earlier one.
  if (status == PGRES_PIPELINE_ABORTED) return absl::AbortedError("state database: did not run");
  const char* const state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (state == nullptr) return Broken();
  return absl::Status(CodeOf(state), absl::StrCat("state database: ", OneLine(PQresultErrorMessage(result))));
}

absl::Status PostgresConnection::Script(const std::string& sql) {
  RETURN_IF_ERROR(Flush());
  const Result result(PQexec(connection_, sql.c_str()));
  return Check(result.get());
}

absl::StatusOr<std::string> PostgresConnection::Prepare(absl::string_view sql,
                                                        const std::vector<SqlParameter>& parameters) {
  if (const auto found = prepared_.find(sql); found != prepared_.end()) return found->second;
  std::vector<Oid> types;
  for (const SqlParameter& parameter : parameters) {
    types.push_back(parameter.type == SqlParameter::Type::kInteger ? kInt8
                    : parameter.type == SqlParameter::Type::kText  ? kText
                                                                   : kBytea);
  }
  const std::string name = absl::StrCat("s", names_++);
  std::string text(sql);
  if (PQsendPrepare(connection_, name.c_str(), text.c_str(), static_cast<int>(types.size()), types.data()) == 0) {
    return Broken();
  }
  prepared_.emplace(text, name);
  pending_.push_back({nullptr, std::move(text)});
  return name;
}

absl::Status PostgresConnection::ExecuteLater(OnRow on_row, absl::string_view sql,
                                              const std::vector<SqlParameter>& parameters) {
  // Between the transactions the pipeline is off, because scripts cannot be run in it.
  if (PQpipelineStatus(connection_) == PQ_PIPELINE_OFF && PQenterPipelineMode(connection_) == 0) return Broken();
  ASSIGN_OR_RETURN(const std::string name, Prepare(sql, parameters));
  const size_t count = parameters.size();
  std::vector<uint64_t> integers(count);
  std::vector<const char*> values(count);
  std::vector<int> lengths(count);
  const std::vector<int> binary(count, 1);
  for (size_t i = 0; i < count; ++i) {
    const SqlParameter& parameter = parameters[i];
    if (parameter.null) continue;
    if (parameter.type == SqlParameter::Type::kInteger) {
      integers[i] = BigEndian(parameter.integer);
      values[i] = reinterpret_cast<const char*>(&integers[i]);
      lengths[i] = sizeof(uint64_t);
    } else {
      // A null pointer would mean NULL.
      values[i] = parameter.bytes.empty() ? "" : parameter.bytes.data();
      lengths[i] = static_cast<int>(parameter.bytes.size());
    }
  }
  if (PQsendQueryPrepared(connection_, name.c_str(), static_cast<int>(count), values.data(), lengths.data(),
                          binary.data(), /*resultFormat=*/1) == 0) {
    return Broken();
  }
  pending_.push_back({std::move(on_row), ""});
  return absl::OkStatus();
}

absl::Status PostgresConnection::Execute(const OnRow& on_row, absl::string_view sql,
                                         const std::vector<SqlParameter>& parameters) {
  RETURN_IF_ERROR(ExecuteLater(on_row, sql, parameters));
  return Flush();
}

absl::Status PostgresConnection::Receive(const Pending& pending, bool& refused) {
  const Result result(PQgetResult(connection_));
  // The results of one statement end with a null one.
  if (result != nullptr) {
    while (const Result more{PQgetResult(connection_)}) continue;
  }
  const absl::Status status = Check(result.get());
  refused = !status.ok() && PQresultErrorField(result.get(), PG_DIAG_SQLSTATE) != nullptr;
  if (!pending.prepares.empty() && !status.ok()) prepared_.erase(pending.prepares);
  if (!pending.prepares.empty() || !status.ok()) return status;
  committed_ = absl::string_view(PQcmdStatus(result.get())) == "COMMIT";
  if (!absl::SimpleAtoi(PQcmdTuples(result.get()), &changes_)) changes_ = 0;
  if (!pending.on_row) return absl::OkStatus();
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    RETURN_IF_ERROR(pending.on_row(PostgresRow(result.get(), row)));
  }
  return absl::OkStatus();
}

absl::Status PostgresConnection::Flush() {
  refused_early_ = false;
  committed_ = false;
  if (PQpipelineStatus(connection_) == PQ_PIPELINE_OFF) return absl::OkStatus();
  const std::vector<Pending> pending = std::exchange(pending_, {});
  absl::Status first;
  if (PQpipelineSync(connection_) == 0) first = Broken();
  for (size_t i = 0; i < pending.size(); ++i) {
    bool refused = false;
    const absl::Status status = Receive(pending[i], refused);
    if (status.ok() || !first.ok()) continue;
    first = status;
    refused_early_ = refused && i + 1 < pending.size();
  }
  // The answer to the synchronisation, after which the server runs statements again.
  const Result synchronised(PQgetResult(connection_));
  if (PQexitPipelineMode(connection_) == 0) first.Update(Broken());
  return first;
}

absl::Status PostgresConnection::Commit(bool& unknown) {
  // What the rows are for is gone.
  for (Pending& pending : pending_) pending.on_row = nullptr;
  const absl::Status sent = ExecuteLater(nullptr, "COMMIT", {});
  const absl::Status status = Flush();
  RETURN_IF_ERROR(sent);
  unknown = !status.ok() && broken() && !refused_early_;
  // The server answers so when a statement had failed before, whatever was made of its error.
  if (status.ok() && !committed_) return absl::InternalError("state database: the transaction was rolled back");
  return status;
}

absl::Status PostgresConnection::Rollback() {
  for (Pending& pending : pending_) pending.on_row = nullptr;
  (void)Flush();
  if (broken()) return Broken();
  return in_transaction() ? Script("ROLLBACK") : absl::OkStatus();
}

}  // namespace besa::server
