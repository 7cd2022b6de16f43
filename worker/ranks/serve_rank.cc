#include "worker/ranks/serve_rank.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "besa/v1/rank.pb.h"
#include "proto/rpc_status.h"
#include "storage/base/status_macros.h"

namespace besa::worker {
namespace {

// Takes commands from the socket as they come, and notices when there is nobody any more.
class Inbox {
 public:
  Inbox(MessageSocket& socket, const std::function<void()>& orphaned)
      : thread_([this, &socket, &orphaned](std::stop_token stop) { Read(socket, orphaned, stop); }) {}

  // Waits for the next one; nullopt: there will be none.
  std::optional<v1::RankCommand> Next() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return closed_ || !commands_.empty(); });
    if (commands_.empty()) return std::nullopt;
    v1::RankCommand command = std::move(commands_.front());
    commands_.pop_front();
    return command;
  }

 private:
  void Read(MessageSocket& socket, const std::function<void()>& orphaned, const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      v1::RankCommand command;
      const absl::StatusOr<bool> received = socket.Receive(absl::Milliseconds(200), command);
      if (received.ok() && !*received) continue;
      if (!received.ok() && orphaned) orphaned();
      const std::lock_guard lock(mutex_);
      if (received.ok()) commands_.push_back(std::move(command));
      closed_ = !received.ok();
      arrived_.notify_all();
      if (closed_) return;
    }
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<v1::RankCommand> commands_;
  bool closed_ = false;
  // Last, so that it ends before what it uses.
  std::jthread thread_;
};

// Says that the process lives, while it exists.
class Beats {
 public:
  Beats(MessageSocket& socket, absl::Duration interval, Sleeper& sleeper)
      : thread_([&socket, interval, &sleeper](std::stop_token stop) {
          v1::RankReport report;
          report.mutable_beat();
          do {
            if (!socket.Send(report).ok()) return;
          } while (sleeper.Sleep(interval, stop));
        }) {}

 private:
  std::jthread thread_;
};

v1::RankReport FailureReport(const absl::Status& status) {
  const grpc::Status as_sent = ToGrpc(status);
  v1::RankReport report;
  v1::RankFailure& failure = *report.mutable_failure();
  failure.set_code(as_sent.error_code());
  failure.set_message(as_sent.error_message());
  failure.set_details(as_sent.error_details());
  return report;
}

// nullopt: several blocks that the ranks had rather prune together.
absl::StatusOr<std::optional<v1::TaskResult>> Run(const v1::RankCommand& command, RankTools& tools,
                                                  const TaskObserver& observer) {
  if (command.further_size() == 0) return tools.runner().Run(command.assignment(), observer);
  std::vector<v1::Assignment> assignments = {command.assignment()};
  assignments.insert(assignments.end(), command.further().begin(), command.further().end());
  return tools.RunOwnBlock(assignments, observer);
}

v1::RankReport RunCommand(const v1::RankCommand& command, RankTools& tools, MessageSocket& socket) {
  auto result = Run(command, tools, [&socket](const v1::TaskProgress& progress) {
    v1::RankReport report;
    *report.mutable_progress() = progress;
    socket.Send(report).IgnoreError();
    return true;
  });
  if (!result.ok()) return FailureReport(result.status());
  v1::RankReport report;
  report.mutable_result()->set_together(!result->has_value());
  *report.mutable_result()->mutable_result() = (*std::move(result)).value_or(v1::TaskResult());
  if (const auto cursor = tools.runner().cursor()) *report.mutable_result()->mutable_cursor() = *cursor;
  return report;
}

}  // namespace

absl::Status ServeRank(MessageSocket& socket,
                       const std::function<absl::StatusOr<std::unique_ptr<RankTools>>()>& open_tools,
                       const ServeRankOptions& options, Sleeper& sleeper) {
  Inbox inbox(socket, options.orphaned);
  std::unique_ptr<RankTools> tools;
  v1::RankReport answer;
  {
    const Beats beats(socket, options.beat, sleeper);
    auto opened = open_tools();
    if (!opened.ok()) {
      RETURN_IF_ERROR(socket.Send(FailureReport(opened.status())));
      return std::move(opened).status();
    }
    tools = *std::move(opened);
    *answer.mutable_ready()->mutable_device() = tools->device();
  }
  // Behind the last beat, so that a rank that has nothing to do says nothing.
  RETURN_IF_ERROR(socket.Send(answer));
  while (const auto command = inbox.Next()) {
    {
      const Beats beats(socket, options.beat, sleeper);
      answer = RunCommand(*command, *tools, socket);
    }
    if (!socket.Send(answer).ok()) break;
  }
  return absl::OkStatus();
}

}  // namespace besa::worker
