// The activations that an engine holds on to between two blocks, and how they get from one to the other.
//
// A stream is what the calibration windows have become in front of a block. The dense one goes through the checkpoint's
// blocks. The pruned one of a sequential job goes through the blocks committed so far, as their files have them: it
// does not matter who pruned them, and the same walk by the same forward pass gives anybody the same bits.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "worker/pruner/activations.h"
#include "worker/pruner/block_weights.h"
#include "worker/pruner/llama_block.h"
#include "worker/pruner/progress.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {

struct ActivationStream {
  // Of which model and text: PruneRequest::stream_key. Empty: nothing is held.
  std::string key;
  // The block whose input this is.
  int64_t block = 0;
  // Of the pruned stream: what it went through, PruneRequest::committed of the blocks before `block`.
  std::vector<std::string> committed;
  Activations activations;
};

struct HeldStreams {
  ActivationStream dense;
  ActivationStream pruned;
  // The dense stream one block further, where looking ahead has made it already; in the independent schedule.
  ActivationStream dense_behind;

  // Of the memory they lie in.
  int64_t bytes() const {
    return dense.activations.bytes() + pruned.activations.bytes() + dense_behind.activations.bytes();
  }

  // Moves them to where they are to be.
  void Place(Placement placement);
};

// Where the dense stream may stand at most: before the block in the independent schedule, whose inputs it is; behind it
// in the sequential one, whose reference it is, but for a recovery that wants what is in front of it, too.
int64_t DenseBoundary(const PruneRequest& request);

// Lets go of every stream that does not lie on the request's way, in the type of `options`: of another model or text,
// beyond the block, through other blocks than those committed.
void KeepUsable(const PruneRequest& request, const at::TensorOptions& options, HeldStreams& held);

// Walks the streams of one request, which KeepUsable has seen. Every window takes the same path in the same batches
// wherever the walk begins.
class StreamWalker {
 public:
  // `block` runs any block of the model; `weights` (BlockWeights::Allocate) holds the one at hand. All must outlive the
  // walker.
  StreamWalker(const PruneRequest& request, const at::TensorOptions& options, Placement placement,
               const LlamaBlock& block, BlockWeights& weights, StageReporter& reporter)
      : request_(request),
        options_(options),
        placement_(placement),
        block_(block),
        weights_(weights),
        reporter_(reporter) {}

  // Steps that walking a stream to a boundary takes: windows times blocks.
  int64_t Steps(const ActivationStream& stream, int64_t to) const;

  // Walks to `to` from where the stream stands, or from the embeddings: the dense stream through request.dense, the
  // pruned one through request.pruned. Steps add up over the walker's life. If it fails, the stream stands before the
  // block that failed or is empty.
  absl::Status WalkDense(int64_t to, ActivationStream& stream) { return Walk(*request_.dense, false, to, stream); }
  absl::Status WalkPruned(int64_t to, ActivationStream& stream) { return Walk(*request_.pruned, true, to, stream); }

  // One stream through one more block, whose weights are in place already.
  absl::Status StepDense(ActivationStream& stream) { return Step(false, stream); }
  absl::Status StepPruned(ActivationStream& stream) { return Step(true, stream); }

 private:
  absl::Status Walk(const storage::TensorSource& source, bool pruned, int64_t to, ActivationStream& stream);
  absl::Status Start(const storage::TensorSource& source, ActivationStream& stream) const;
  absl::Status Step(bool pruned, ActivationStream& stream);

  const PruneRequest& request_;
  const at::TensorOptions options_;
  const Placement placement_;
  const LlamaBlock& block_;
  BlockWeights& weights_;
  StageReporter& reporter_;
  int64_t done_ = 0;
};

}  // namespace besa::pruner
