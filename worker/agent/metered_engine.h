// An engine that tells Prometheus how near another one comes to what its device can do.
#pragma once

#include <memory>
#include <vector>

#include "prometheus/registry.h"
#include "worker/pruner/pruner.h"

namespace besa::worker {

// The seconds of a pruned block that its floor is held against: all stages but those in which the store or the host
// works ("fetch", "load", "write") and, in the independent schedule, the walk through the blocks before it.
double DeviceSeconds(const std::vector<pruner::StageSeconds>& stages, pruner::Schedule schedule);

//   besa_worker_gemm_floor_ratio    of the last block pruned with BESA: the time that the FLOPs of its passes
//                                   (cost/block_flops.h) would take at the rate of a large matrix product, over the
//                                   time that they took. 1 is as good as it gets. Not there before the first block
// Blocks computed in another type than the device's own (bfloat16 on a GPU, float32 on a CPU) are left out. The rate is
// measured right before the first block: about a second on a GPU, a third of one on a CPU. A share above 1 shows that
// something else used the device then: it is not told, and the rate is measured again before the next block. If it
// cannot be measured, the log says why and the gauge stays away. Everything else is `engine`'s, bit for bit.
std::unique_ptr<pruner::Engine> MeterEngine(std::unique_ptr<pruner::Engine> engine, prometheus::Registry& registry);

}  // namespace besa::worker
