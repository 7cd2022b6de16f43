// The sharded sweep of the independent schedule: as many blocks as a group has ranks, one right behind the other, each
// to be pruned by one rank on all windows.
//
// The windows are dealt out as ever (sample_share.h). Every rank walks its own through all of the blocks and takes each
// block's statistics on the way, which are added up over the ranks. What the windows are in front of a block and behind
// it goes to the rank whose block it is, batch by batch. The weights of a block come from that rank, so that each block
// is read once. From there on no rank has anything to do with another.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/pruner/activation_stream.h"
#include "worker/pruner/activations.h"
#include "worker/pruner/block_weights.h"
#include "worker/pruner/llama_block.h"
#include "worker/pruner/progress.h"
#include "worker/pruner/pruner.h"
#include "worker/pruner/pruning_method.h"
#include "worker/pruner/rank_group.h"
#include "worker/pruner/sample_share.h"

namespace besa::pruner {

// What a rank knows of its block after the sweep.
struct SweptBlock {
  // What enters the block and what comes out of it: all windows, in their order.
  Activations x;
  Activations reference;
  // It has observed all windows.
  std::unique_ptr<PruningMethod> method;
};

struct GroupSweep {
  // This rank's: `block` is its own (rank 0's is the first), `calibration` its share of the windows, `options`
  // resolved.
  const PruneRequest& request;
  const SampleShare& share;
  RankGroup& ranks;
  const at::TensorOptions& options;
  Placement placement;
  // Runs any block of the model; `weights` (BlockWeights::Allocate) holds the one at hand, and the last one afterwards.
  const LlamaBlock& block;
  BlockWeights& weights;
  // Fills `weights` with this rank's block.
  std::function<absl::Status()> upload;
  StageReporter& reporter;
};

// `stream`, this rank's windows, stands in front of the first block, and afterwards behind the last one. Steps are
// windows times blocks. OUT_OF_RANGE as CheckActivations: then the stream is nobody's, and the other ranks wait.
absl::StatusOr<SweptBlock> SweepGroup(const GroupSweep& sweep, ActivationStream& stream);

}  // namespace besa::pruner
