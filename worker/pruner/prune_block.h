// One block from the checkpoint to its pruned tensors: load, walk, statistics, train, write.
#pragma once

#include "absl/status/statusor.h"
#include "worker/pruner/compute_device.h"
#include "worker/pruner/dense_stream.h"
#include "worker/pruner/progress.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {

// `stream` holds whatever was left by earlier blocks; afterwards it stands behind the block, or, if pruning failed,
// before it or wherever the walk got to.
absl::StatusOr<BlockPruning> PruneBlock(const PruneRequest& request, const ComputeDevice& device, DenseStream& stream,
                                        StageReporter& reporter);

}  // namespace besa::pruner
