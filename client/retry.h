// When a call is repeated, and after how long (AIP-194; exponential backoff with jitter).
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/random.h"
#include "client/sleeper.h"

namespace besa::client {

// How often and how patiently to repeat.
struct RetryPolicy {
  // Attempts in all, the first included.
  int max_attempts = 5;
  // The wait after the first failure.
  absl::Duration initial_backoff = absl::Milliseconds(200);
  // The longest wait.
  absl::Duration max_backoff = absl::Seconds(5);
  // Each wait is this many times the one before.
  double multiplier = 2;
};

// The wait after `failures` failures in a row (1 or more): evenly distributed, by `random`, between half and the whole
// of the policy's wait, so that clients cut off at one moment do not all come back at one moment.
absl::Duration Backoff(const RetryPolicy& policy, int failures, uint64_t random);

// Whether the same call may succeed later without anybody changing anything: UNAVAILABLE, DEADLINE_EXCEEDED.
bool IsTransient(const absl::Status& status);

// Calls `attempt` until it returns anything but a transient error, or the policy's attempts are used up. `attempt` gets
// its number, 1 for the first. The last status is returned.
absl::Status RunWithRetries(const RetryPolicy& policy, Sleeper& sleeper, const RandomBits& random,
                            const std::function<absl::Status(int number)>& attempt);

}  // namespace besa::client
