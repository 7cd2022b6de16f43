#include "server/testing/postgres_server.h"

#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

namespace besa::server::testing {
namespace {

// Where Debian has the programs of its version 15.
constexpr char kPrograms[] = "/usr/lib/postgresql/15/bin/";

// Whoever is not root runs it as themselves.
const passwd* Unprivileged() {
  static const passwd* const user = getuid() == 0 ? getpwnam("postgres") : nullptr;
  return user;
}

pid_t Spawn(const std::vector<std::string>& command, const std::string& log) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const passwd* const user = Unprivileged();
  const pid_t child = fork();
  if (child != 0) return child;
  // The server ends with the test, however that ends.
  if (user != nullptr && (setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)) _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGINT);
  setsid();
  if (freopen(log.c_str(), "a", stdout) == nullptr || dup2(1, 2) < 0) _exit(126);
  setenv("LC_ALL", "C.UTF-8", 1);
  execv(arguments[0], arguments.data());
  _exit(127);
}

}  // namespace

PostgresServer::PostgresServer() {
  std::filesystem::permissions(folder_.path(), std::filesystem::perms::all);
  if (const passwd* const user = Unprivileged(); user != nullptr) {
    EXPECT_EQ(chown(folder_.path().c_str(), user->pw_uid, user->pw_gid), 0);
  }
  const std::string log = (folder_.path() / "log").string();
  const pid_t child = Spawn({std::string(kPrograms) + "initdb", "--pgdata", (folder_.path() / "data").string(),
                             "--username", "besa", "--auth", "trust", "--no-sync", "--encoding", "UTF8"},
                            log);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "initdb failed; its log is in " << log;
  Start();
}

void PostgresServer::Start() {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  do {
    ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "PostgreSQL did not start";
    // After a kill it refuses to start for as long as a process of the one before has not noticed.
    if (process_ < 0 || waitpid(process_, nullptr, WNOHANG) == process_) {
      process_ = Spawn({std::string(kPrograms) + "postgres", "-D", (folder_.path() / "data").string(), "-k",
                        folder_.path().string(), "-c", "listen_addresses=", "-c", "max_connections=200"},
                       (folder_.path() / "log").string());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    // It listens before it is ready.
  } while (PQping(Conninfo("postgres").c_str()) != PQPING_OK);
}

void PostgresServer::Kill() {
  // Its children notice by themselves that it is gone.
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
  process_ = -1;
  std::filesystem::remove(folder_.path() / "data" / "postmaster.pid");
}

PostgresServer::~PostgresServer() {
  if (process_ < 0) return;
  kill(process_, SIGINT);
  waitpid(process_, nullptr, 0);
}

PostgresServer& PostgresServer::Shared() {
  static PostgresServer server;
  return server;
}

std::string PostgresServer::Conninfo(const std::string& database) const {
  return "host=" + folder_.path().string() + " user=besa dbname=" + database;
}

std::string PostgresServer::NewDatabase() {
  const std::string name = "test" + std::to_string(++databases_);
  Run("postgres", "CREATE DATABASE " + name);
  return name;
}

std::string PostgresServer::Run(const std::string& database, const std::string& sql) {
  PGconn* const connection = PQconnectdb(Conninfo(database).c_str());
  PGresult* const result = PQexec(connection, sql.c_str());
  const ExecStatusType status = PQresultStatus(result);
  EXPECT_TRUE(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) << PQerrorMessage(connection);
  const std::string value = PQntuples(result) > 0 && PQnfields(result) > 0 ? PQgetvalue(result, 0, 0) : "";
  PQclear(result);
  PQfinish(connection);
  return value;
}

}  // namespace besa::server::testing
