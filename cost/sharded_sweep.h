// Which way a group of ranks prunes as many blocks as it has members, in the independent schedule: one block after the
// other, all ranks together, each with its share of the windows; or by a sharded sweep (worker/pruner/group_sweep.h),
// in which each rank trains a block of its own on all windows.
//
// The arithmetic of a block is the same either way, unless a batch that goes round takes more passes. Together, the
// ranks add something up in every step, and what a step or a block takes beside its samples is taken by all of them for
// every block. Sharded, activations and weights change hands, and a rank holds all windows of a block instead of its
// share.
#pragma once

#include <cstdint>

#include "cost/device_profile.h"
#include "cost/memory_plan.h"
#include "cost/pruning_options.h"
#include "storage/checkpoint/model_config.h"

namespace besa::cost {

struct GroupSeconds {
  double together = 0.0;
  double sharded = 0.0;
};

// Of the passes of `ranks` blocks from activations in front of the first. `options` as the job has them: not resolved.
// `device` is one rank's. `exchange` is what a rank sends or receives, bytes a second. Pure.
GroupSeconds SecondsOfBlocks(const storage::ModelConfig& config, int64_t samples, int64_t length,
                             const BesaOptions& options, ComputeType compute, int64_t ranks,
                             const DeviceProfile& device, double exchange);

// Device memory of a rank in a sharded sweep: what an engine takes alone, and the stream that is walked on. `options`
// resolved as for one rank; `compute.ranks` are the group's.
MemoryPlan PlanShardedPruning(const storage::ModelConfig& config, int64_t samples, int64_t length,
                              const BesaOptions& options, const ComputePlan& compute);

// Bytes of host memory that the activations of a rank take beside a GPU's, if they are kept there.
int64_t HostShardedActivations(const storage::ModelConfig& config, int64_t samples, int64_t length,
                               const BesaOptions& options, const ComputePlan& compute);

}  // namespace besa::cost
