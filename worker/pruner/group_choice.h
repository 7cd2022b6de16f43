// Whether the ranks of a group prune the blocks at hand all together or each its own: what the cost model says
// (cost/sharded_sweep.h), agreed on.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cost/pruning_options.h"
#include "storage/base/clock.h"
#include "worker/pruner/compute_device.h"
#include "worker/pruner/pruner.h"
#include "worker/pruner/rank_group.h"

namespace besa::pruner {

// `fits`: whether a block of its own fits this rank's memory. `exchange_rate`, bytes a second, is measured if it is 0
// and kept there. Every rank has to call it, and all get the same.
absl::StatusOr<GroupChoice> ChooseForGroup(const PruneRequest& request, ComputeType compute, const absl::Status& fits,
                                           RankGroup& ranks, const ComputeDevice& device, const Clock& clock,
                                           double& exchange_rate);

}  // namespace besa::pruner
