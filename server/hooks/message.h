// What a completion hook is sent.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "besa/v1/job.pb.h"

namespace besa::server {

// {"type": "job.succeeded", "timestamp": <end of the job>, "data": <the Job>}: `type` is job.succeeded, job.failed or
// job.cancelled, the Job is what `besa --json jobs get` prints. Equal for all deliveries of one end of the job: how the
// delivery itself stands is not in it.
absl::StatusOr<std::string> HookMessage(const v1::Job& job);

}  // namespace besa::server
