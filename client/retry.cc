#include "client/retry.h"

#include <algorithm>
#include <cmath>

namespace besa::client {

absl::Duration Backoff(const RetryPolicy& policy, int failures, uint64_t random) {
  const double factor = std::pow(policy.multiplier, std::max(0, failures - 1));
  const absl::Duration whole = std::min(policy.max_backoff, policy.initial_backoff * factor);
  // The top 53 bits fill a double's mantissa: a number in [0, 1).
  const double fraction = static_cast<double>(random >> 11) * 0x1p-53;
  return whole * (0.5 + 0.5 * fraction);
}

bool IsTransient(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kDeadlineExceeded;
}

absl::Status RunWithRetries(const RetryPolicy& policy, Sleeper& sleeper, const RandomBits& random,
                            const std::function<absl::Status(int number)>& attempt) {
  for (int number = 1;; ++number) {
    absl::Status status = attempt(number);
    if (!IsTransient(status) || number >= policy.max_attempts) return status;
    sleeper.Sleep(Backoff(policy, number, random()), std::stop_token());
  }
}

}  // namespace besa::client
