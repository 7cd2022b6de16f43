#include "server/publisher/publisher.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "server/publisher/background_loop.h"
#include "server/publisher/publish.h"
#include "spdlog/spdlog.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "telemetry/log_context.h"

namespace besa::server {
namespace {

// How often to look for work that no wake-up told of, such as a claim that another coordinator lost.
constexpr absl::Duration kIdle = absl::Seconds(2);

v1::FailureReason ReasonOf(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  if (info && info->reason == "INPUT_CHANGED") return v1::FAILURE_REASON_INPUT_CHANGED;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      return v1::FAILURE_REASON_INVALID_INPUT;
    case absl::StatusCode::kInternal:
      return v1::FAILURE_REASON_INTERNAL;
    default:
      return v1::FAILURE_REASON_STORAGE;
  }
}

}  // namespace

v1::JobError PublishingError(const absl::Status& status) {
  v1::JobError error;
  error.set_reason(ReasonOf(status));
  error.set_message("publishing: " + std::string(status.message()));
  return error;
}

Publisher::Publisher(Coordinator& coordinator, storage::ObjectStore& store, const Clock& clock, Options options)
    : coordinator_(coordinator), store_(store), clock_(clock), options_(std::move(options)) {}

absl::Duration Publisher::RunOnce() {
  if (const absl::Duration wait = not_before_ - clock_.Steady(); wait > absl::ZeroDuration()) return wait;
  if (stopping_) return kIdle;

  const auto claimed = coordinator_.ClaimPublishing(options_.id);
  if (!claimed.ok()) {
    spdlog::warn("looking for jobs to publish: {}", std::string(claimed.status().message()));
    return Failed();
  }
  if (!claimed->has_value()) return kIdle;
  const PublishingClaim& claim = **claimed;
  LogFields fields = {{"job", claim.job_name}};
  if (!claim.job.trace_id().empty()) fields.emplace_back("trace", claim.job.trace_id());
  const ScopedLogFields scope(fields);

  spdlog::info("publishing {} to {}", claim.job_name, claim.job.spec().output_uri());
  absl::Status status = PublishClaimed(claim);
  if (status.ok()) status = coordinator_.FinishPublishing(claim.job_name, claim.claim);
  if (status.ok()) {
    spdlog::info("published {} to {}", claim.job_name, claim.job.spec().output_uri());
    failures_in_a_row_ = 0;
    return absl::ZeroDuration();
  }
  if (absl::IsAborted(status) || absl::IsCancelled(status)) {
    spdlog::info("publishing of {} is left to its next claimant: {}", claim.job_name, std::string(status.message()));
    return kIdle;
  }
  spdlog::warn("publishing of {} failed: {}", claim.job_name, std::string(status.message()));
  const absl::Status reported = coordinator_.FailPublishing(claim.job_name, claim.claim, PublishingError(status));
  if (!reported.ok()) spdlog::warn("{}: {}", claim.job_name, std::string(reported.message()));
  return Failed();
}

absl::Status Publisher::PublishClaimed(const PublishingClaim& claim) {
  std::atomic<bool> lost = false;
  const absl::Duration interval = coordinator_.options().heartbeat_interval;
  BackgroundLoop heart([&] {
    const absl::Status beat = coordinator_.BeatPublishing(claim.job_name, claim.claim);
    if (absl::IsAborted(beat) || absl::IsNotFound(beat)) lost = true;
    return interval;
  });
  return Publish(store_, claim, options_.besa_version, [&]() -> absl::Status {
    if (stopping_) return absl::CancelledError("this coordinator is stopping");
    if (lost) return absl::AbortedError("the claim moved on");
    return absl::OkStatus();
  });
}

absl::Duration Publisher::Failed() {
  const absl::Duration pause = options_.backoff.Delay(++failures_in_a_row_, 1.0);
  not_before_ = clock_.Steady() + pause;
  return pause;
}

}  // namespace besa::server
