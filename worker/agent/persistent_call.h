// Repeats a call for as long as the coordinator is away.
#pragma once

#include <functional>
#include <stop_token>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "storage/base/backoff.h"
#include "storage/base/clock.h"
#include "storage/base/sleeper.h"

namespace besa::worker {

struct Patience {
  const Clock& clock;
  Sleeper& sleeper;
  Backoff backoff;
  std::function<double()> uniform;
  // Requested when the process shall end: from then on the call is repeated only for `grace`.
  std::stop_token drain;
  absl::Duration grace;
};

// Calls until the answer is one that repeating will not change (see MayPass), with growing waits. `what` is for the
// log: "commit".
absl::Status CallUntilAnswered(const char* what, const std::function<absl::Status()>& call, const Patience& patience);

}  // namespace besa::worker
