// Ranks on GPUs: a communicator of NCCL.
//
// Not c10d's ProcessGroupNCCL: its collectives run on streams of their own, with events and a watchdog thread that asks
// for them, which a step recorded into a CUDA graph has no use for. Here a collective is a kernel on the stream of the
// step, like the ones before and after it.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "worker/pruner/rank_group.h"

namespace besa::pruner {

// Throws c10::Error if the others do not come. The device must be the current one.
std::unique_ptr<RankGroup> JoinNccl(const RankOptions& options, at::Device device);

}  // namespace besa::pruner
