#include "worker/ranks/rank_task_runner.h"

#include <poll.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proto/rpc_status.h"
#include "spdlog/spdlog.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "telemetry/log_context.h"
#include "worker/agent/failure_reason.h"

namespace besa::worker {
namespace {

// How often time is looked at while nobody says anything.
constexpr int kTickMilliseconds = 100;
// What a process takes to be gone once its socket is.
constexpr absl::Duration kEnding = absl::Seconds(1);

absl::Status RankLost(absl::string_view what) {
  return ErrorWithInfo(absl::StatusCode::kInternal, what, {.reason = kRankLost, .metadata = {}});
}

absl::Status StatusOf(const v1::RankFailure& failure) {
  return FromGrpc({static_cast<grpc::StatusCode>(failure.code()), failure.message(), failure.details()});
}

}  // namespace

struct RankTaskRunner::Member {
  int number = 0;
  std::unique_ptr<Rank> rank;
  // When it said anything last. Unset while its program is still being loaded.
  std::optional<absl::Duration> heard;
  // How what it was told to do ended.
  bool ended = false;
  absl::Status failure;
  // Of what it logs.
  LogFields log_fields;
};

RankTaskRunner::RankTaskRunner(const RankTaskRunnerOptions& options, StartRank start_rank, const Clock& clock)
    : options_(options), start_rank_(std::move(start_rank)), clock_(clock) {}

RankTaskRunner::~RankTaskRunner() { Disband(); }

absl::StatusOr<std::unique_ptr<RankTaskRunner>> RankTaskRunner::Start(const RankTaskRunnerOptions& options,
                                                                      StartRank start_rank, const Clock& clock) {
  std::unique_ptr<RankTaskRunner> runner(new RankTaskRunner(options, std::move(start_rank), clock));
  RETURN_IF_ERROR(runner->Form());
  return runner;
}

absl::StatusOr<TaskEnding> RankTaskRunner::Compute(const v1::Assignment& assignment, const TaskObserver& observer) {
  ASSIGN_OR_RETURN(v1::TaskResult result, RunOnGroup(assignment, observer));
  return Finished(std::move(result));
}

absl::StatusOr<v1::TaskResult> RankTaskRunner::RunOnGroup(const v1::Assignment& assignment,
                                                          const TaskObserver& observer) {
  RETURN_IF_ERROR(FormIfNeeded());
  const bool together = assignment.kind() == v1::TASK_KIND_PRUNE;
  auto result = RunOnRanks(assignment, together ? options_.ranks : 1, observer);
  if (!result.ok()) {
    // One rank that failed by itself is ready for the next task; others that work for it are not.
    const Member& first = members_.front();
    const bool intact = !together && first.ended && !first.failure.ok();
    if (!intact) Disband();
  }
  return result;
}

void RankTaskRunner::ComputeSeveral(const std::vector<BlockToPrune>& blocks, const EndingTaker& take) {
  if (std::ssize(blocks) == options_.ranks) {
    if (std::optional<Results> results = RunOwnBlocks(blocks)) {
      for (size_t i = 0; i < blocks.size(); ++i) {
        absl::StatusOr<v1::TaskResult>& result = (*results)[i];
        take(i, result.ok() ? absl::StatusOr<TaskEnding>(Finished(*std::move(result))) : result.status());
      }
      return;
    }
  }
  for (size_t i = 0; i < blocks.size(); ++i) {
    v1::TaskProgress waiting;
    waiting.set_stage("wait");
    // Those that wait move on, too.
    const auto observe = [&](const v1::TaskProgress& progress) {
      waiting.set_step(progress.step());
      waiting.set_steps(progress.steps());
      for (size_t later = i + 1; later < blocks.size(); ++later) (*blocks[later].observer)(waiting);
      return (*blocks[i].observer)(progress);
    };
    // For one that is not wanted any more no group is formed.
    const bool wanted = i == 0 || observe(waiting);
    absl::StatusOr<TaskEnding> ending = absl::CancelledError("stopped");
    if (wanted) {
      const ScopedLogFields fields(blocks[i].log_fields);
      ending = Compute(*blocks[i].assignment, observe);
    }
    take(i, std::move(ending));
  }
}

std::optional<RankTaskRunner::Results> RankTaskRunner::RunOwnBlocks(const std::vector<BlockToPrune>& blocks) {
  if (const absl::Status formed = FormIfNeeded(); !formed.ok()) return Results(blocks.size(), formed);
  for (Member& member : members_) member.log_fields = blocks[static_cast<size_t>(member.number)].log_fields;
  Results results(blocks.size(), absl::UnknownError("not heard of"));
  const absl::StatusOr<bool> own = ListenForOwnBlocks(blocks, results);
  if (own.ok()) {
    for (Member& member : members_) member.log_fields.clear();
    if (!*own) return std::nullopt;
    return results;
  }
  const bool of_all = absl::IsCancelled(own.status()) || FailureReasonOf(own.status()) == v1::FAILURE_REASON_CRASHED;
  for (const Member& member : members_) {
    absl::StatusOr<v1::TaskResult>& result = results[static_cast<size_t>(member.number)];
    result = own.status();
    // What one rank failed with is its own block's failure alone.
    if (!of_all) result = RankLost(absl::StrCat("another rank failed: ", own.status().message()));
    if (!member.failure.ok()) result = member.failure;
  }
  Disband();
  return results;
}

absl::StatusOr<bool> RankTaskRunner::ListenForOwnBlocks(const std::vector<BlockToPrune>& blocks, Results& results) {
  v1::RankCommand command;
  *command.mutable_assignment() = *blocks.front().assignment;
  for (size_t i = 1; i < blocks.size(); ++i) *command.add_further() = *blocks[i].assignment;
  Tell(command, options_.ranks);
  std::vector<v1::TaskProgress> progress(blocks.size());
  std::vector<bool> stopped(blocks.size(), false);
  const auto observe = [&](size_t i) -> absl::Status {
    stopped[i] = !(*blocks[i].observer)(progress[i]);
    const bool all = std::ranges::find(stopped, false) == stopped.end();
    return all ? absl::CancelledError("stopped") : absl::OkStatus();
  };
  bool own = true;
  const auto handle = [&](Member& member, v1::RankReport& report) -> absl::Status {
    const auto number = static_cast<size_t>(member.number);
    if (report.has_progress()) {
      progress[number] = std::move(*report.mutable_progress());
      return observe(number);
    }
    if (!report.has_result()) return absl::OkStatus();
    member.ended = true;
    own = own && !report.result().together();
    results[number] = std::move(*report.mutable_result()->mutable_result());
    if (member.number != 0) return absl::OkStatus();
    cursor_.reset();
    if (report.result().has_cursor()) cursor_ = report.result().cursor();
    return absl::OkStatus();
  };
  const auto between = [&]() -> absl::Status {
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (!progress[i].stage().empty()) RETURN_IF_ERROR(observe(i));
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(Listen(options_.ranks, handle, between));
  return own;
}

void RankTaskRunner::Tell(const v1::RankCommand& command, int ranks) {
  for (int number = 0; number < ranks; ++number) {
    Member& member = members_[static_cast<size_t>(number)];
    member.ended = false;
    member.failure = absl::OkStatus();
    member.heard = clock_.Steady();
    // One that is gone shows when it is listened to.
    member.rank->socket().Send(command).IgnoreError();
  }
}

absl::Status RankTaskRunner::FormIfNeeded() {
  for (Member& member : members_) {
    // Between tasks no rank has anything to say.
    v1::RankReport report;
    if (member.rank->socket().Receive(absl::ZeroDuration(), report).ok()) continue;
    spdlog::warn("rank {} {} between two tasks", member.number, member.rank->End(kEnding));
    Disband();
    break;
  }
  if (!members_.empty()) return absl::OkStatus();
  const absl::Status formed = Form();
  if (formed.ok()) return formed;
  // It did when the worker was started, so it is not the task's fault.
  return ErrorWithInfo(absl::StatusCode::kInternal,
                       absl::StrCat("the ranks could not be started again: ", formed.message()),
                       {.reason = kDeviceFailed, .metadata = {}});
}

absl::Status RankTaskRunner::Form() {
  const int64_t group = groups_++;
  for (int number = 0; number < options_.ranks; ++number) {
    auto rank = start_rank_(number, group);
    if (!rank.ok()) {
      Disband();
      return std::move(rank).status();
    }
    members_.push_back({.number = number, .rank = *std::move(rank)});
  }
  const absl::Status ready = AwaitReady();
  if (!ready.ok()) Disband();
  return ready;
}

absl::Status RankTaskRunner::AwaitReady() {
  std::vector<v1::Device> devices(members_.size());
  const absl::Duration begin = clock_.Steady();
  const auto handle = [&](Member& member, v1::RankReport& report) -> absl::Status {
    if (!report.has_ready()) return absl::OkStatus();
    devices[static_cast<size_t>(member.number)] = report.ready().device();
    member.ended = true;
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(Listen(options_.ranks, handle, [&] {
    if (clock_.Steady() - begin < options_.forming) return absl::OkStatus();
    return RankLost(absl::StrCat("the ranks did not find each other within ", absl::FormatDuration(options_.forming)));
  }));
  device_ = devices.front();
  for (size_t i = 1; i < devices.size(); ++i) device_.set_id(absl::StrCat(device_.id(), ",", devices[i].id()));
  spdlog::info("{} ranks on {}", options_.ranks, device_.id());
  return absl::OkStatus();
}

void RankTaskRunner::Disband() {
  for (Member& member : members_) member.rank->End(absl::ZeroDuration());
  members_.clear();
  cursor_.reset();
}

absl::StatusOr<v1::TaskResult> RankTaskRunner::RunOnRanks(const v1::Assignment& assignment, int ranks,
                                                          const TaskObserver& observer) {
  v1::RankCommand command;
  *command.mutable_assignment() = assignment;
  Tell(command, ranks);
  v1::TaskResult result;
  v1::TaskProgress progress;
  bool any_progress = false;
  const auto handle = [&](Member& member, v1::RankReport& report) -> absl::Status {
    if (report.has_progress() && member.number == 0) {
      progress = std::move(*report.mutable_progress());
      any_progress = true;
      return observer(progress) ? absl::OkStatus() : absl::CancelledError("stopped");
    }
    if (!report.has_result()) return absl::OkStatus();
    member.ended = true;
    if (member.number != 0) return absl::OkStatus();
    result = std::move(*report.mutable_result()->mutable_result());
    cursor_.reset();
    if (report.result().has_cursor()) cursor_ = report.result().cursor();
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(Listen(ranks, handle, [&]() -> absl::Status {
    return !any_progress || observer(progress) ? absl::OkStatus() : absl::CancelledError("stopped");
  }));
  return result;
}

absl::Status RankTaskRunner::Listen(int ranks, const Handler& handle, const std::function<absl::Status()>& between) {
  std::optional<absl::Duration> look_until;
  while (true) {
    std::vector<pollfd> sockets;
    const Member* failed = nullptr;
    bool all_ended = true;
    for (int number = 0; number < ranks; ++number) {
      Member& member = members_[static_cast<size_t>(number)];
      if (!member.ended) RETURN_IF_ERROR(ListenTo(member, handle));
      if (!member.failure.ok() && failed == nullptr) failed = &member;
      all_ended = all_ended && member.ended;
      if (!member.ended) {
        sockets.push_back({.fd = member.rank->socket().file_descriptor(), .events = POLLIN, .revents = 0});
      }
    }
    if (failed != nullptr && !look_until) look_until = clock_.Steady() + options_.second_look;
    if (all_ended || (look_until && clock_.Steady() >= *look_until)) {
      return failed == nullptr ? absl::OkStatus() : failed->failure;
    }
    RETURN_IF_ERROR(between());
    poll(sockets.data(), sockets.size(), kTickMilliseconds);
  }
}

absl::Status RankTaskRunner::ListenTo(Member& member, const Handler& handle) {
  while (!member.ended) {
    v1::RankReport report;
    const absl::StatusOr<bool> received = member.rank->socket().Receive(absl::ZeroDuration(), report);
    if (!received.ok()) {
      return RankLost(absl::StrCat("rank ", member.number, " ", member.rank->End(kEnding)));
    }
    if (!*received) break;
    member.heard = clock_.Steady();
    if (report.has_log()) {
      const auto level = static_cast<spdlog::level::level_enum>(report.log().level());
      const ScopedLogFields fields(member.log_fields);
      spdlog::log(level, "rank {}: {}", member.number, report.log().text());
    } else if (report.has_failure()) {
      member.ended = true;
      member.failure = StatusOf(report.failure());
    } else {
      RETURN_IF_ERROR(handle(member, report));
    }
  }
  if (member.ended || !member.heard || clock_.Steady() - *member.heard <= options_.silence) return absl::OkStatus();
  return RankLost(absl::StrCat("rank ", member.number, " said nothing for ", absl::FormatDuration(options_.silence)));
}

}  // namespace besa::worker
