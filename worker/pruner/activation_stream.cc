#include "worker/pruner/activation_stream.h"

#include <algorithm>
#include <utility>

#include "storage/base/status_macros.h"
#include "worker/pruner/block_shape.h"
#include "worker/pruner/dense_stream.h"
#include "worker/pruner/load_weights.h"

namespace besa::pruner {
namespace {

bool IsUsable(const ActivationStream& stream, const PruneRequest& request, const at::TensorOptions& options,
              int64_t boundary) {
  const TokenWindows& windows = *request.calibration;
  return !stream.key.empty() && stream.key == request.stream_key && stream.block <= boundary &&
         stream.activations.type() == options.dtype().toScalarType() &&
         stream.activations.sizes() == at::IntArrayRef{windows.windows, windows.length, request.config->hidden_size} &&
         stream.committed.size() <= request.committed.size() &&
         std::equal(stream.committed.begin(), stream.committed.end(), request.committed.begin());
}

}  // namespace

void HeldStreams::Place(Placement placement) {
  dense.activations = dense.activations.In(placement);
  pruned.activations = pruned.activations.In(placement);
  dense_behind.activations = dense_behind.activations.In(placement);
}

int64_t DenseBoundary(const PruneRequest& request) {
  const bool behind = request.options.schedule == Schedule::kSequential && !KeepsDenseInputs(request.options);
  return behind ? request.block + 1 : request.block;
}

void KeepUsable(const PruneRequest& request, const at::TensorOptions& options, HeldStreams& held) {
  if (!TakesDenseStream(request.options) || !IsUsable(held.dense, request, options, DenseBoundary(request))) {
    held.dense = {};
  }
  // What is left of the dense stream is usable.
  const bool both = held.dense.activations.defined() && held.dense.block == request.block &&
                    held.dense_behind.block == request.block + 1;
  if (TakesPrunedStream(request.options) || !both ||
      !IsUsable(held.dense_behind, request, options, request.block + 1)) {
    held.dense_behind = {};
  }
  if (!TakesPrunedStream(request.options) || !IsUsable(held.pruned, request, options, request.block)) held.pruned = {};
}

int64_t StreamWalker::Steps(const ActivationStream& stream, int64_t to) const {
  return std::max<int64_t>(0, to - stream.block) * request_.calibration->windows;
}

absl::Status StreamWalker::Walk(const storage::TensorSource& source, bool pruned, int64_t to,
                                ActivationStream& stream) {
  if (!stream.activations.defined()) RETURN_IF_ERROR(Start(source, stream));
  while (stream.block < to) {
    weights_.shape = BlockShape::Of(*request_.config, stream.block);
    RETURN_IF_ERROR(LoadBlock(source, stream.block, weights_));
    RETURN_IF_ERROR(Step(pruned, stream));
  }
  return absl::OkStatus();
}

absl::Status StreamWalker::Start(const storage::TensorSource& source, ActivationStream& stream) const {
  const TokenWindows& windows = *request_.calibration;
  ASSIGN_OR_RETURN(const Activations activations,
                   Embed(*request_.config, source, windows, 0, windows.windows, options_, placement_));
  stream = {.key = request_.stream_key, .activations = activations};
  return absl::OkStatus();
}

absl::Status StreamWalker::Step(bool pruned, ActivationStream& stream) {
  // While a block is half walked, the stream is nobody's.
  ActivationStream walking = std::exchange(stream, {});
  RETURN_IF_ERROR(WalkBlock(walking.block, block_, weights_, walking.activations,
                            [&](int64_t windows) { return reporter_.Step(done_ + windows); }));
  done_ += request_.calibration->windows;
  if (pruned) walking.committed.push_back(request_.committed[static_cast<size_t>(walking.block)]);
  ++walking.block;
  stream = std::move(walking);
  return absl::OkStatus();
}

}  // namespace besa::pruner
