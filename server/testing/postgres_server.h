// A real PostgreSQL server for tests: its own process, its own folder, a Unix socket and no port.
#pragma once

#include <sys/types.h>

#include <string>

#include "server/testing/temp_folder.h"

namespace besa::server::testing {

class PostgresServer {
 public:
  // Makes a cluster and starts it; as an unprivileged user if this process is root, which PostgreSQL refuses. Fails the
  // test if that does not work.
  PostgresServer();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // The one of this test program, started when first asked for.
  static PostgresServer& Shared();

  // For libpq, to a database of that name.
  std::string Conninfo(const std::string& database) const;
  // Makes an empty database of a new name; returns its name.
  std::string NewDatabase();
  // Runs a statement and returns the first column of its first row, or "".
  std::string Run(const std::string& database, const std::string& sql);

  // kill -9, as a crash of the machine that it runs on.
  void Kill();
  // After Kill. Returns when it answers.
  void Start();

 private:
  TempFolder folder_;
  pid_t process_ = -1;
  int databases_ = 0;
};

}  // namespace besa::server::testing
