// One block from the checkpoint to its pruned tensors: load, walk, statistics, train, write.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "worker/pruner/activation_stream.h"
#include "worker/pruner/block_reader.h"
#include "worker/pruner/block_workspace.h"
#include "worker/pruner/compute_device.h"
#include "worker/pruner/progress.h"
#include "worker/pruner/pruner.h"
#include "worker/pruner/pruning_method.h"
#include "worker/pruner/rank_group.h"
#include "worker/pruner/sample_share.h"

namespace besa::pruner {

// What looking ahead from a block has seen of the next: the method's statistics of it.
struct Observed {
  Method by = Method::kBesa;
  std::unique_ptr<PruningMethod> method;
};

// What an engine keeps from block to block.
struct KeptState {
  HeldStreams streams;
  // Of the block that streams.dense_behind is the output of, if that is there: both are set, and taken, together.
  Observed observed;
  BlockWorkspace workspace;
  BlockReadAhead ahead;
};

// `kept.streams` hold what earlier blocks left and KeepUsable did, where `placement` says. Afterwards the dense stream
// stands behind the block and the pruned one in front of it; if pruning failed, before that, wherever the walk got to.
//
// The request is that of one rank: its calibration windows are its share, its options are resolved.
absl::StatusOr<BlockPruning> PruneBlock(const PruneRequest& request, const SampleShare& share, RankGroup& ranks,
                                        const ComputeDevice& device, Placement placement, KeptState& kept,
                                        StageReporter& reporter);

// In a sharded sweep (group_sweep.h): request.block is this rank's own, and the options are those of an engine that
// works alone. Streams are kept that KeepUsable knows to be usable for the block of rank 0; afterwards the dense stream
// stands behind that of the last rank.
absl::StatusOr<BlockPruning> PruneOwnBlock(const PruneRequest& request, const SampleShare& share, RankGroup& ranks,
                                           const ComputeDevice& device, Placement placement, KeptState& kept,
                                           StageReporter& reporter);

}  // namespace besa::pruner
