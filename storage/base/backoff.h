// How long to wait before trying again.
#pragma once

#include "absl/time/time.h"

namespace besa {

// Doubles from `first` to `longest`. Each wait is drawn between half and all of that, so that many processes which
// failed together do not come back together.
struct Backoff {
  absl::Duration first = absl::Milliseconds(100);
  absl::Duration longest = absl::Seconds(5);

  // The wait after the `failures`-th failure in a row (1 for the first). `uniform` lies in [0, 1]; 1 draws all of it.
  absl::Duration Delay(int failures, double uniform) const;
};

}  // namespace besa
