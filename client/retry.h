// When a call is repeated, and after how long (AIP-194; exponential backoff with jitter).
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "storage/base/backoff.h"
#include "storage/base/random.h"
#include "storage/base/sleeper.h"

namespace besa::client {

// How often and how patiently to repeat.
struct RetryPolicy {
  // Attempts in all, the first included.
  int max_attempts = 5;
  Backoff backoff = {.first = absl::Milliseconds(200), .longest = absl::Seconds(5)};
};

// Whether the same call may succeed later without anybody changing anything: UNAVAILABLE, DEADLINE_EXCEEDED.
bool IsTransient(const absl::Status& status);

// Calls `attempt` until it returns anything but a transient error, or the policy's attempts are used up. `attempt` gets
// its number, 1 for the first. The last status is returned.
absl::Status RunWithRetries(const RetryPolicy& policy, Sleeper& sleeper, const RandomBits& random,
                            const std::function<absl::Status(int number)>& attempt);

}  // namespace besa::client
