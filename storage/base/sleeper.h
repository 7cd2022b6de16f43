// Waiting as a dependency, so that tests need not wait.
#pragma once

#include <stop_token>

#include "absl/time/time.h"

namespace besa {

// Thread-safe. Implementations must outlive whoever holds them.
class Sleeper {
 public:
  virtual ~Sleeper() = default;

  // Returns after `duration`, or as soon as `stop` is requested. True if the whole time passed.
  virtual bool Sleep(absl::Duration duration, std::stop_token stop) = 0;

  // Really waits. Never destroyed.
  static Sleeper& Real();
};

}  // namespace besa
