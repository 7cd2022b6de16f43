#include "worker/agent/persistent_call.h"

#include <optional>
#include <string>

#include "spdlog/spdlog.h"
#include "worker/agent/coordinator_client.h"

namespace besa::worker {

absl::Status CallUntilAnswered(const char* what, const std::function<absl::Status()>& call, const Patience& patience) {
  std::optional<absl::Duration> give_up;
  for (int failures = 1;; ++failures) {
    const absl::Status status = call();
    if (!MayPass(status)) return status;
    const absl::Duration now = patience.clock.Steady();
    if (patience.drain.stop_requested() && !give_up) give_up = now + patience.grace;
    if (give_up && now >= *give_up) return status;
    const absl::Duration wait = patience.backoff.Delay(failures, patience.uniform());
    spdlog::warn("{} failed, next try in {:.1f} s: {}", what, absl::ToDoubleSeconds(wait), status.ToString());
    // Once draining, the token would wake the sleep at once.
    patience.sleeper.Sleep(wait, give_up ? std::stop_token() : patience.drain);
  }
}

}  // namespace besa::worker
