#include "storage/base/backoff.h"

#include <algorithm>
#include <cmath>

namespace besa {

absl::Duration Backoff::Delay(int failures, double uniform) const {
  // 2^30 times anything sensible is past `longest`.
  const double growth = std::ldexp(1.0, std::clamp(failures - 1, 0, 30));
  return std::min(first * growth, longest) * (0.5 + uniform / 2);
}

}  // namespace besa
