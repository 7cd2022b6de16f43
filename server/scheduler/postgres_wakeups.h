// Carries wake-ups between the coordinators of one PostgreSQL database, by its LISTEN and NOTIFY.
//
// What is made known here within a moment goes out together, outside the transactions that made the changes: a NOTIFY
// inside them would make all commits of the database wait for each other. So a coordinator that dies between commit and
// notification leaves a wake-up out; whoever waits looks again by itself after seconds. After a lost connection
// everybody is woken, as anything may have been missed.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/time/time.h"

#include "server/scheduler/change_notifier.h"
#include "server/state/postgres_connection.h"

namespace besa::server {

class PostgresWakeups {
 public:
  // Wake-ups of this long go out together.
  static constexpr absl::Duration kGather = absl::Milliseconds(5);

  // `id` tells this coordinator's notifications from the others'. `notifier` must outlive it. Connects by and by.
  PostgresWakeups(std::string conninfo, std::string id, ChangeNotifier& notifier);
  ~PostgresWakeups();
  PostgresWakeups(const PostgresWakeups&) = delete;
  PostgresWakeups& operator=(const PostgresWakeups&) = delete;

 private:
  void Run(const std::stop_token& stop);
  // Until the connection breaks.
  void Serve(PostgresConnection& connection, const std::stop_token& stop);
  absl::Status Send(PostgresConnection& connection);
  void Receive(PostgresConnection& connection);
  void Poke();

  const std::string conninfo_;
  const std::string id_;
  ChangeNotifier& notifier_;
  // Readable when there is something to send, or to stop for.
  int wake_[2];
  std::mutex mutex_;
  std::set<std::string> to_send_;  // guarded by mutex_
  // Last, so that it ends before what it uses.
  std::jthread thread_;
};

}  // namespace besa::server
