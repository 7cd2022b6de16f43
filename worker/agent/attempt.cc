#include "worker/agent/attempt.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "spdlog/spdlog.h"
#include "telemetry/log_context.h"
#include "worker/agent/failure_reason.h"
#include "worker/agent/heartbeat.h"

namespace besa::worker {
namespace {

constexpr size_t kBeatLines = 10;

AttemptEnd Fail(const v1::Lease& lease, v1::FailureReason reason, const std::string& message,
                const AttemptContext& context) {
  const std::vector<std::string> log_tail = context.log_tail.Lines();
  const absl::Status told = CallUntilAnswered(
      "reporting the failure", [&] { return context.client.Fail(lease, reason, ToUtf8(message), log_tail); },
      context.patience);
  if (told.code() == absl::StatusCode::kAborted) return AttemptEnd::kLost;
  if (!told.ok()) spdlog::error("the failure could not be reported: {}", told.ToString());
  const bool returned = reason == v1::FAILURE_REASON_CANCELLED || reason == v1::FAILURE_REASON_DRAINED;
  return returned ? AttemptEnd::kReturned : AttemptEnd::kFailed;
}

// The last lines of the log, as many as a beat may carry.
void AddLogTail(const std::vector<std::string>& lines, v1::TaskProgress& progress) {
  for (size_t i = lines.size() - std::min(lines.size(), kBeatLines); i < lines.size(); ++i) {
    progress.add_log_tail(lines[i]);
  }
}

AttemptEnd Commit(const v1::Lease& lease, const v1::TaskResult& result, const AttemptContext& context) {
  const std::stop_token& drain = context.patience.drain;
  const absl::Status committed = CallUntilAnswered(
      "commit", [&] { return context.client.Commit(lease, result, context.log_tail.Lines(), drain.stop_requested()); },
      context.patience);
  if (committed.ok()) {
    spdlog::info("committed");
    return AttemptEnd::kCommitted;
  }
  if (committed.code() == absl::StatusCode::kInvalidArgument) {
    spdlog::error("the coordinator refused the result: {}", committed.ToString());
    return Fail(lease, v1::FAILURE_REASON_REFUSED,
                absl::StrCat("the coordinator refused the result: ", committed.message()), context);
  }
  spdlog::warn("the result is dropped: {}", committed.ToString());
  return AttemptEnd::kLost;
}

}  // namespace

AttemptEnd RunAttempt(const v1::Assignment& assignment, const AttemptContext& context) {
  const v1::Lease& lease = assignment.lease();
  const std::vector<std::string> name = absl::StrSplit(lease.task(), '/');
  LogFields described = {{"job", name.size() == 4 ? absl::StrCat(name[0], "/", name[1]) : ""}, {"task", name.back()}};
  if (assignment.kind() == v1::TASK_KIND_PRUNE) described.emplace_back("block", absl::StrCat(assignment.block()));
  described.emplace_back("attempt", absl::StrCat(lease.attempt()));
  if (!assignment.trace_id().empty()) described.emplace_back("trace", assignment.trace_id());
  const ScopedLogFields fields(described);
  const CoordinatorClient::TraceScope trace(context.client, assignment.trace_id());
  context.log_tail.Clear();
  spdlog::info("leased");

  Heartbeat heartbeat(context.client, context.patience.sleeper, lease);
  const std::stop_token& drain = context.patience.drain;
  const auto result = context.runner.Run(assignment, [&](const v1::TaskProgress& progress) {
    v1::TaskProgress with_log = progress;
    AddLogTail(context.log_tail.Lines(), with_log);
    heartbeat.SetProgress(with_log);
    return heartbeat.order() == Heartbeat::Order::kGoOn && !drain.stop_requested();
  });
  if (result.ok()) return Commit(lease, *result, context);

  const absl::Status& error = result.status();
  if (error.code() == absl::StatusCode::kCancelled) {
    if (heartbeat.order() == Heartbeat::Order::kLeaseLost) {
      spdlog::warn("stopped: the lease was lost");
      return AttemptEnd::kLost;
    }
    if (heartbeat.order() == Heartbeat::Order::kCancel) {
      spdlog::info("stopped: the job was cancelled");
      return Fail(lease, v1::FAILURE_REASON_CANCELLED, "the job was cancelled", context);
    }
    if (drain.stop_requested()) {
      spdlog::info("handed back: the worker is being stopped");
      return Fail(lease, v1::FAILURE_REASON_DRAINED, "the worker was told to stop", context);
    }
  }
  spdlog::error("failed: {}", error.ToString());
  const v1::FailureReason reason = FailureReasonOf(error);
  const AttemptEnd end = Fail(lease, reason, std::string(error.message()), context);
  return reason == v1::FAILURE_REASON_DEVICE ? AttemptEnd::kDeviceFailed : end;
}

}  // namespace besa::worker
