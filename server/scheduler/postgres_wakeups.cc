#include "server/scheduler/postgres_wakeups.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "storage/base/sleeper.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

constexpr char kListen[] = "LISTEN besa_wakeups";
constexpr absl::Duration kPause = absl::Seconds(1);
// A payload must stay below 8000 bytes.
constexpr size_t kPayload = 7000;

// Too many for one message: then it is everything.
constexpr char kEverything[] = "*";

}  // namespace

PostgresWakeups::PostgresWakeups(std::string conninfo, std::string id, ChangeNotifier& notifier)
    : conninfo_(std::move(conninfo)), id_(std::move(id)), notifier_(notifier) {
  if (pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0) wake_[0] = wake_[1] = -1;
  notifier_.SetBridge([this](const std::string& topic) {
    const std::lock_guard<std::mutex> guard(mutex_);
    const bool first = to_send_.empty();
    to_send_.insert(topic);
    if (first) Poke();
  });
  thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
}

PostgresWakeups::~PostgresWakeups() {
  notifier_.SetBridge(nullptr);
  thread_.request_stop();
  Poke();
  thread_.join();
  close(wake_[0]);
  close(wake_[1]);
}

void PostgresWakeups::Poke() {
  // A full pipe wakes as well as one byte more would.
  [[maybe_unused]] const ssize_t written = write(wake_[1], "x", 1);
}

void PostgresWakeups::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    auto connection = PostgresConnection::Open(conninfo_);
    if (connection.ok() && (*connection)->Script(kListen).ok()) {
      notifier_.DeliverAll();
      Serve(**connection, stop);
    }
    Sleeper::Real().Sleep(kPause, stop);
  }
}

void PostgresWakeups::Serve(PostgresConnection& connection, const std::stop_token& stop) {
  while (!stop.stop_requested() && !connection.broken()) {
    pollfd files[] = {{PQsocket(connection.raw()), POLLIN, 0}, {wake_[0], POLLIN, 0}};
    poll(files, 2, -1);
    if ((files[1].revents & POLLIN) != 0) {
      char drained[256];
      while (read(wake_[0], drained, sizeof(drained)) > 0) continue;
      // What happens within the same moment goes along.
      Sleeper::Real().Sleep(kGather, stop);
      if (!Send(connection).ok()) return;
    }
    Receive(connection);
  }
}

absl::Status PostgresWakeups::Send(PostgresConnection& connection) {
  std::set<std::string> topics;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    topics.swap(to_send_);
  }
  std::string payload = id_;
  for (const std::string& topic : topics) {
    if (payload.size() + topic.size() > kPayload) {
      payload = absl::StrCat(id_, " ", kEverything);
      break;
    }
    absl::StrAppend(&payload, " ", topic);
  }
  return connection.Run("SELECT pg_notify('besa_wakeups', $1)", payload);
}

void PostgresWakeups::Receive(PostgresConnection& connection) {
  if (PQconsumeInput(connection.raw()) == 0) return;
  while (PGnotify* const notification = PQnotifies(connection.raw())) {
    const std::vector<std::string> words = absl::StrSplit(notification->extra, ' ');
    PQfreemem(notification);
    if (words.front() == id_) continue;
    for (size_t i = 1; i < words.size(); ++i) {
      if (words[i] == kEverything) {
        notifier_.DeliverAll();
      } else {
        notifier_.Deliver(words[i]);
      }
    }
  }
}

}  // namespace besa::server
