#include "worker/agent/attempt.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "spdlog/spdlog.h"
#include "worker/agent/failure_reason.h"

namespace besa::worker {
namespace {

constexpr size_t kBeatLines = 10;

// The last lines of the log, as many as a beat may carry.
void AddLogTail(const std::vector<std::string>& lines, v1::TaskProgress& progress) {
  for (size_t i = lines.size() - std::min(lines.size(), kBeatLines); i < lines.size(); ++i) {
    progress.add_log_tail(lines[i]);
  }
}

LogFields FieldsOf(const v1::Assignment& assignment) {
  const v1::Lease& lease = assignment.lease();
  const std::vector<std::string> name = absl::StrSplit(lease.task(), '/');
  LogFields fields = CurrentLogFields();
  fields.emplace_back("job", name.size() == 4 ? absl::StrCat(name[0], "/", name[1]) : "");
  fields.emplace_back("task", name.back());
  if (assignment.kind() == v1::TASK_KIND_PRUNE) fields.emplace_back("block", absl::StrCat(assignment.block()));
  fields.emplace_back("attempt", absl::StrCat(lease.attempt()));
  if (!assignment.trace_id().empty()) fields.emplace_back("trace", assignment.trace_id());
  return fields;
}

// What `fields` has beyond those that the thread has already.
LogFields Beyond(const LogFields& fields) {
  return {fields.begin() + std::min(std::ssize(CurrentLogFields()), std::ssize(fields)), fields.end()};
}

}  // namespace

bool MayOverlap(const v1::Assignment& assignment) {
  if (assignment.kind() == v1::TASK_KIND_PASSTHROUGH) return true;
  return assignment.kind() == v1::TASK_KIND_PRUNE && assignment.spec().method().schedule() != v1::SCHEDULE_SEQUENTIAL;
}

Attempt::Attempt(v1::Assignment assignment, AttemptContext context)
    : assignment_(std::move(assignment)),
      context_(std::move(context)),
      held_{.lease = assignment_.lease(), .trace_id = assignment_.trace_id()},
      fields_(FieldsOf(assignment_)),
      observer_([this](const v1::TaskProgress& progress) { return Observe(progress); }) {
  const ScopedLogFields fields(Beyond(fields_));
  spdlog::info("leased");
  heartbeat_.emplace(context_.client, context_.patience.sleeper, held_);
}

std::optional<AttemptEnd> Attempt::Compute() {
  const ScopedLogFields fields(Beyond(fields_));
  absl::StatusOr<TaskEnding> ending = context_.runner.Compute(assignment_, observer_);
  if (!ending.ok()) return EndWith(ending.status());
  ending_ = *std::move(ending);
  return std::nullopt;
}

BlockToPrune Attempt::block() const { return {&assignment_, &observer_, Beyond(fields_)}; }

AttemptEnd Attempt::FinishWith(absl::StatusOr<TaskEnding> ending) {
  if (ending.ok()) {
    ending_ = *std::move(ending);
    return Finish();
  }
  const ScopedLogFields fields(Beyond(fields_));
  return EndWith(ending.status());
}

AttemptEnd Attempt::Finish() {
  const ScopedLogFields fields(Beyond(fields_));
  const absl::StatusOr<v1::TaskResult> result = std::move(ending_)(observer_);
  // What it held is free for the next one.
  ending_ = nullptr;
  return result.ok() ? Commit(*result) : EndWith(result.status());
}

bool Attempt::Observe(const v1::TaskProgress& progress) {
  v1::TaskProgress with_log = progress;
  AddLogTail(LogLines(), with_log);
  heartbeat_->SetProgress(with_log);
  return heartbeat_->order() == Heartbeat::Order::kGoOn && !context_.patience.drain.stop_requested();
}

AttemptEnd Attempt::Commit(const v1::TaskResult& result) {
  const std::stop_token& drain = context_.patience.drain;
  const absl::Status committed = CallUntilAnswered(
      "commit", [&] { return context_.client.Commit(held_, result, LogLines(), drain.stop_requested()); },
      context_.patience);
  if (committed.ok()) {
    spdlog::info("committed");
    return AttemptEnd::kCommitted;
  }
  if (committed.code() == absl::StatusCode::kInvalidArgument) {
    spdlog::error("the coordinator refused the result: {}", committed.ToString());
    return Fail(v1::FAILURE_REASON_REFUSED, absl::StrCat("the coordinator refused the result: ", committed.message()));
  }
  spdlog::warn("the result is dropped: {}", committed.ToString());
  return AttemptEnd::kLost;
}

AttemptEnd Attempt::EndWith(const absl::Status& error) {
  if (error.code() == absl::StatusCode::kCancelled) {
    if (heartbeat_->order() == Heartbeat::Order::kLeaseLost) {
      spdlog::warn("stopped: the lease was lost");
      return AttemptEnd::kLost;
    }
    if (heartbeat_->order() == Heartbeat::Order::kCancel) {
      spdlog::info("stopped: the job was cancelled");
      return Fail(v1::FAILURE_REASON_CANCELLED, "the job was cancelled");
    }
    if (context_.patience.drain.stop_requested()) {
      spdlog::info("handed back: the worker is being stopped");
      return Fail(v1::FAILURE_REASON_DRAINED, "the worker was told to stop");
    }
  }
  spdlog::error("failed: {}", error.ToString());
  const v1::FailureReason reason = FailureReasonOf(error);
  const AttemptEnd end = Fail(reason, std::string(error.message()));
  return reason == v1::FAILURE_REASON_DEVICE ? AttemptEnd::kDeviceFailed : end;
}

AttemptEnd Attempt::Fail(v1::FailureReason reason, const std::string& message) {
  const std::vector<std::string> log_tail = LogLines();
  const absl::Status told = CallUntilAnswered(
      "reporting the failure", [&] { return context_.client.Fail(held_, reason, ToUtf8(message), log_tail); },
      context_.patience);
  if (told.code() == absl::StatusCode::kAborted) return AttemptEnd::kLost;
  if (!told.ok()) spdlog::error("the failure could not be reported: {}", told.ToString());
  const bool returned = reason == v1::FAILURE_REASON_CANCELLED || reason == v1::FAILURE_REASON_DRAINED;
  return returned ? AttemptEnd::kReturned : AttemptEnd::kFailed;
}

}  // namespace besa::worker
