// Time as a dependency, so that tests move it by hand.
#pragma once

#include "absl/time/time.h"

namespace besa {

// Thread-safe. Implementations must outlive whoever holds them.
class Clock {
 public:
  virtual ~Clock() = default;

  // Wall-clock time: what people read and what is stored. May jump.
  virtual absl::Time Now() const = 0;

  // Steady time since an arbitrary point of this process: what leases and timeouts are measured by. Never jumps.
  virtual absl::Duration Steady() const = 0;

  // The machine's clock. Never destroyed.
  static const Clock& Real();
};

}  // namespace besa
