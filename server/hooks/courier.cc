#include "server/hooks/courier.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/hooks/message.h"
#include "spdlog/spdlog.h"
#include "storage/base/status_macros.h"
#include "storage/base/utf8.h"
#include "telemetry/log_context.h"

namespace besa::server {
namespace {

// How often to look for deliveries that no wake-up told of: those that are tried again.
constexpr absl::Duration kIdle = absl::Seconds(1);

// The claim lasts a term; a call must have ended by then.
constexpr absl::Duration kPatience = absl::Seconds(10);

constexpr int kGone = 410;

absl::Status Judge(const HttpAnswer& answer) {
  if (answer.status >= 200 && answer.status < 300) return absl::OkStatus();
  std::string text = absl::StrCat("the endpoint answered ", answer.status);
  if (!answer.location.empty()) {
    absl::StrAppend(&text, ", a redirect to ", Printable(answer.location), ", which is not followed");
  } else if (!answer.text.empty()) {
    absl::StrAppend(&text, ": ", Printable(answer.text));
  }
  return answer.status == kGone ? absl::FailedPreconditionError(text) : absl::UnavailableError(text);
}

}  // namespace

Courier::Courier(Coordinator& coordinator, HttpPost post, const Clock& clock, RandomBits random, Options options)
    : coordinator_(coordinator),
      post_(std::move(post)),
      clock_(clock),
      random_(std::move(random)),
      options_(std::move(options)) {}

absl::Status Courier::Deliver(const HookClaim& claim) {
  HttpRequest request;
  ASSIGN_OR_RETURN(request.uri, options_.endpoints.Check(claim.job.completion_hook().uri()));
  ASSIGN_OR_RETURN(request.body, HookMessage(claim.job));
  const int64_t now = absl::ToUnixSeconds(clock_.Now());
  request.headers = {"Content-Type: application/json", absl::StrCat("User-Agent: ", options_.agent),
                     absl::StrCat("webhook-id: ", claim.delivery_id), absl::StrCat("webhook-timestamp: ", now),
                     absl::StrCat("webhook-signature: ", options_.signer.Sign(claim.delivery_id, now, request.body))};
  request.timeout = std::min(kPatience, coordinator_.options().lease_term / 3);
  ASSIGN_OR_RETURN(const HttpAnswer answer, post_(request));
  return Judge(answer);
}

absl::Duration Courier::RunOnce() {
  const auto claimed = coordinator_.ClaimHook(options_.id);
  if (!claimed.ok()) {
    spdlog::warn("looking for completion hooks to call: {}", std::string(claimed.status().message()));
    return kIdle;
  }
  if (!claimed->has_value()) return kIdle;
  const HookClaim& claim = **claimed;
  const v1::Job& job = claim.job;
  LogFields fields = {{"job", job.name()}};
  if (!job.trace_id().empty()) fields.emplace_back("trace", job.trace_id());
  const ScopedLogFields scope(fields);

  spdlog::info("calling the completion hook, attempt {}: {}", job.completion_hook().attempts(),
               job.completion_hook().uri());
  const absl::Status status = Deliver(claim);
  absl::Status reported;
  if (status.ok()) {
    spdlog::info("completion hook delivered");
    reported = coordinator_.FinishHook(job.name(), claim.claim);
  } else {
    spdlog::warn("completion hook not delivered: {}", std::string(status.message()));
    reported = coordinator_.FailHook(job.name(), claim.claim,
                                     {.error = std::string(status.message()),
                                      .final = absl::IsFailedPrecondition(status),
                                      .jitter = UnitInterval(random_())});
  }
  // Then the claim expires and the delivery is made again.
  if (!reported.ok()) spdlog::warn("completion hook: {}", std::string(reported.message()));
  return reported.ok() ? absl::ZeroDuration() : kIdle;
}

}  // namespace besa::server
