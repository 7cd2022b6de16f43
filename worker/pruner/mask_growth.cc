#include "worker/pruner/mask_growth.h"

#include <cmath>

namespace besa::pruner {

std::optional<double> MaskGrowth::ShareAt(int64_t step) const {
  if (masks_ == RecoveryMasks::kFixed) return step == 0 ? std::optional(1.0) : std::nullopt;
  // Where there are fewer steps than moments, some fall together.
  std::optional<double> share;
  for (int64_t moment = 0; moment <= kMoments; ++moment) {
    if (steps_ * moment / (2 * kMoments) != step) continue;
    const double left = 1.0 - static_cast<double>(moment) / static_cast<double>(kMoments);
    share = 1.0 - (1.0 - kFirstShare) * std::pow(left, 3);
  }
  return share;
}

}  // namespace besa::pruner
