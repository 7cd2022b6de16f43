// How long to wait before the next try of a call that failed.
#pragma once

#include <functional>

#include "absl/time/time.h"

namespace besa::worker {

struct BackoffOptions {
  absl::Duration initial = absl::Milliseconds(200);
  absl::Duration maximum = absl::Seconds(10);
};

// Exponential backoff with jitter: the n-th wait is drawn between half and all of initial * 2^n, at most `maximum`, so
// that workers that lost the same coordinator do not come back all at once. Not thread-safe.
class Backoff {
 public:
  // `uniform` draws from [0, 1).
  Backoff(const BackoffOptions& options, std::function<double()> uniform);

  absl::Duration Next();
  void Reset();

 private:
  const BackoffOptions options_;
  const std::function<double()> uniform_;
  absl::Duration ceiling_;
};

}  // namespace besa::worker
