// Whether the ranks that pruned a block together came to the same.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "worker/pruner/block_weights.h"
#include "worker/pruner/pruner.h"
#include "worker/pruner/rank_group.h"

namespace besa::pruner {

// Compares, over the ranks, a hash of how many weights each row lost and of the bits of each row of the pruned linears.
// INTERNAL if they differ, on every rank. Waits for the device.
absl::Status CheckAgreement(int64_t block, const std::vector<LinearAllocation>& linears, const BlockWeights& pruned,
                            RankGroup& ranks);

}  // namespace besa::pruner
