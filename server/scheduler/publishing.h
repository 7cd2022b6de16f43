// Publishing: a row that one coordinator claims at a time.
//
//   PUBLISHING, unclaimed --claim--> claimed --published--> SUCCEEDED
//        ^                             | |
//        |<----claim expired-----------+ +--failed--> unclaimed again, or FAILED when it is hopeless
//
// The steps of publishing are idempotent and their bytes deterministic, so a publisher that lost its claim without
// noticing does no harm: only the holder of the claim can end the job.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "besa/v1/job.pb.h"
#include "besa/v1/task.pb.h"

#include "server/scheduler/context.h"

namespace besa::server {

// Everything that the publisher needs to know.
struct PublishingClaim {
  // "jobs/{job}".
  std::string job_name;
  int64_t claim = 0;
  v1::Job job;
  // All committed, in the order of the plan; files lie under result.attempt_uri.
  std::vector<v1::Task> tasks;
  std::string workspace_uri;
};

// `takeover`: whoever holds the claim is known to be gone. nullopt: nothing to publish, or somebody else does.
Decision<std::optional<PublishingClaim>> OnPublishingAsked(JobRows rows, absl::string_view publisher, bool takeover,
                                                           const Context& context);
Decision<Done> OnPublishingBeat(JobRows rows, int64_t claim, const Context& context);
Decision<Done> OnPublished(JobRows rows, int64_t claim, const Context& context);
Decision<Done> OnPublishingFailed(JobRows rows, int64_t claim, const v1::JobError& error, const Context& context);
// The claim's beat stood still at `beat` for a term.
Decision<Done> OnClaimExpired(JobRows rows, int64_t claim, int64_t beat, const Context& context);

}  // namespace besa::server
