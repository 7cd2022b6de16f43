// Delivering a completion hook: a row that one coordinator claims at a time, like publishing.
//
//   UNSPECIFIED --the job ends--> PENDING, due at once
//   PENDING, due --claim: an attempt is counted--> claimed --delivered--> DELIVERED
//        ^                                          |   |
//        |<--claim expired: due at once-------------+   +--failed--> PENDING, due after a backoff with jitter;
//                                                                    FAILED after hook_patience, or if it is final
//   any of them --RetryJob--> UNSPECIFIED
//
// The step that ends the job makes the hook PENDING, in the same transaction: no end is forgotten. Who claims a
// delivery may die before or after the endpoint has heard of it, and then it is made again: at least once. Deliveries
// of one end of a job have one id, so that the endpoint can tell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "besa/v1/job.pb.h"

#include "server/scheduler/context.h"
#include "server/scheduler/job_edit.h"

namespace besa::server {

// A delivery to be made now.
struct HookClaim {
  // The job in its final state.
  v1::Job job;
  int64_t claim = 0;
  // The same for all deliveries of this end of the job: "<job id>-<generation>".
  std::string delivery_id;
};

// Why a delivery failed.
struct HookFailure {
  // For people; one line of UTF-8.
  std::string error;
  // Trying again will not help.
  bool final = false;
  // In [0, 1]: where in its range the wait before the next attempt is drawn.
  double jitter = 1;
};

// Brings the hook in line with the job's state. Called by JobEdit::Finish when the state has changed.
void FollowWithHook(JobEdit& edit);

// `takeover`: whoever holds a claim is known to be gone. nullopt: nothing is due, or somebody else is at it.
Decision<std::optional<HookClaim>> OnHookAsked(JobRows rows, absl::string_view caller, bool takeover,
                                               const Context& context);
// ABORTED (CLAIM_LOST) from these two if the claim is no longer held.
Decision<Done> OnHookDelivered(JobRows rows, int64_t claim, const Context& context);
Decision<Done> OnHookFailed(JobRows rows, int64_t claim, const HookFailure& failure, const Context& context);
// The claim was held for a term, which no call takes: its holder is gone.
Decision<Done> OnHookClaimExpired(JobRows rows, int64_t claim, const Context& context);

}  // namespace besa::server
