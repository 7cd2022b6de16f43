#include "worker/agent/backoff.h"

#include <algorithm>
#include <utility>

namespace besa::worker {

Backoff::Backoff(const BackoffOptions& options, std::function<double()> uniform)
    : options_(options), uniform_(std::move(uniform)), ceiling_(options.initial) {}

absl::Duration Backoff::Next() {
  const absl::Duration wait = ceiling_ * (0.5 + 0.5 * uniform_());
  ceiling_ = std::min(2 * ceiling_, options_.maximum);
  return wait;
}

void Backoff::Reset() { ceiling_ = options_.initial; }

}  // namespace besa::worker
