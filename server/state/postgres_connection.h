// A connection to PostgreSQL as a SqlConnection, on its C library: the server's own, which neither throws nor
// reconnects behind our back (a lost connection loses locks and the transaction, so whoever uses it has to know).
//
// Statements go out in libpq's pipeline mode: what is to be executed later is sent with what is executed now, and the
// server answers all of it in one go.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "server/state/sql_connection.h"

namespace besa::server {

// Not thread-safe.
class PostgresConnection final : public SqlConnection {
 public:
  // `conninfo` as libpq takes it: "postgresql://user@host/database?..." or "host=... dbname=...". A server that stays
  // silent is given up after seconds; a transaction in which we stay silent is ended by the server after ten, so that a
  // coordinator that hangs does not keep a job locked. FAILED_PRECONDITION if it refuses us (password, no such
  // database), UNAVAILABLE if it cannot be reached.
  static absl::StatusOr<std::unique_ptr<PostgresConnection>> Open(const std::string& conninfo);
  ~PostgresConnection() override;
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  const SqlDialect& dialect() const override;
  absl::Status Script(const std::string& sql) override;
  // Each statement is prepared once.
  absl::Status Execute(const OnRow& on_row, absl::string_view sql,
                       const std::vector<SqlParameter>& parameters) override;
  // Goes out with the next Execute, Commit or Rollback.
  absl::Status ExecuteLater(OnRow on_row, absl::string_view sql, const std::vector<SqlParameter>& parameters) override;
  int64_t changes() const override { return changes_; }

  // Ends the transaction, in one round trip with what was to be executed later. If that fails nothing was stored,
  // unless `unknown` was set: then the connection broke and nobody knows.
  absl::Status Commit(bool& unknown);
  // If it fails the connection is to be closed, which comes to the same.
  absl::Status Rollback();

  // The connection is of no more use.
  bool broken() const { return PQstatus(connection_) != CONNECTION_OK; }
  // Whether a transaction is open, also one that has failed.
  bool in_transaction() const { return PQtransactionStatus(connection_) != PQTRANS_IDLE; }

  // For listening.
  PGconn* raw() { return connection_; }

 private:
  // What was sent and not yet answered.
  struct Pending {
    // May be empty.
    OnRow on_row;
    // Not empty: this is the preparation of a statement, and this is its text.
    std::string prepares;
  };

  explicit PostgresConnection(PGconn* connection) : connection_(connection) {}

  absl::StatusOr<std::string> Prepare(absl::string_view sql, const std::vector<SqlParameter>& parameters);
  // Waits for the answers to all that is pending and returns the first error.
  absl::Status Flush();
  // `refused`: the server says that it did not do it.
  absl::Status Receive(const Pending& pending, bool& refused);
  absl::Status Check(const PGresult* result);
  absl::Status Broken();

  PGconn* const connection_;
  // Names by text.
  std::map<std::string, std::string, std::less<>> prepared_;
  int64_t names_ = 0;
  std::vector<Pending> pending_;
  // In the last Flush the server refused a statement before the last one, so that the last one did not run.
  bool refused_early_ = false;
  // Of the last statement.
  int64_t changes_ = 0;
  bool committed_ = false;
};

}  // namespace besa::server
