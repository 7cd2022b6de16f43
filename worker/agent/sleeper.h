// Waiting as a dependency, so that tests move time by hand.
#pragma once

#include <stop_token>

#include "absl/time/time.h"

namespace besa::worker {

// Thread-safe. Implementations must outlive whoever holds them.
class Sleeper {
 public:
  virtual ~Sleeper() = default;

  // Waits. Returns true after the whole duration, false at once when `stop` is requested.
  virtual bool SleepFor(absl::Duration duration, std::stop_token stop) = 0;

  // Real time. Never destroyed.
  static Sleeper& Real();
};

}  // namespace besa::worker
