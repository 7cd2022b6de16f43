// When recovery removes the weights that are to go.
//
// A network that loses its weights bit by bit, and is trained in between, ends better than one that loses them at once
// (Zhu and Gupta 2017, "To prune, or not to prune", whose cubic schedule this is): what goes last is chosen by weights
// that have had time to take over from those that went first.
#pragma once

#include <cstdint>
#include <optional>

#include "worker/pruner/pruner.h"

namespace besa::pruner {

class MaskGrowth {
 public:
  // Of a recovery of `steps` steps.
  MaskGrowth(RecoveryMasks masks, int64_t steps) : masks_(masks), steps_(steps) {}

  // Removed before the first step, as a share of all that is to go; the rest follows at this many moments, evenly
  // spread over the first half of the steps.
  static constexpr double kFirstShare = 0.6;
  static constexpr int64_t kMoments = 16;

  // What is to be gone when `step` (from 0) begins, if that is more than before: always set for step 0.
  std::optional<double> ShareAt(int64_t step) const;

 private:
  RecoveryMasks masks_;
  int64_t steps_;
};

}  // namespace besa::pruner
