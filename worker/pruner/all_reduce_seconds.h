// How long ranks take to add something up: the share of a step that a group spends on it.
#pragma once

#include <cstdint>

#include "storage/base/clock.h"
#include "worker/pruner/compute_device.h"
#include "worker/pruner/rank_group.h"

namespace besa::pruner {

// Seconds of one RankGroup::AllReduceSum of `count` float32 numbers: the mean of many, one right after the other.
// Alone: 0.
double MeasureAllReduce(RankGroup& ranks, const ComputeDevice& device, int64_t count, const Clock& clock);

}  // namespace besa::pruner
