#include "client/retry.h"

namespace besa::client {

bool IsTransient(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kDeadlineExceeded;
}

absl::Status RunWithRetries(const RetryPolicy& policy, Sleeper& sleeper, const RandomBits& random,
                            const std::function<absl::Status(int number)>& attempt) {
  for (int number = 1;; ++number) {
    absl::Status status = attempt(number);
    if (!IsTransient(status) || number >= policy.max_attempts) return status;
    sleeper.Sleep(policy.backoff.Delay(number, UnitInterval(random())), std::stop_token());
  }
}

}  // namespace besa::client
