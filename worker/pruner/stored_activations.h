// The dense model's activations, taken out of an engine in front of some blocks and put back in front of one.
//
// A sweep walks some of the calibration windows; what several sweeps stored, put together, is what one walk of all
// windows would have come to, bit for bit, as long as each share is whole batches of the walk (see WalkBatch).
#pragma once

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "worker/pruner/activation_stream.h"
#include "worker/pruner/progress.h"
#include "worker/pruner/pruner.h"
#include "worker/pruner/sample_share.h"

namespace besa::pruner {

// Walks request.windows and hands over what they are in front of each of request.boundaries.
absl::Status SweepDense(const SweepRequest& request, const at::TensorOptions& options, StageReporter& reporter);

// Puts what this rank holds of request.stored in place of `dense` if it lies nearer before the block. What was stored
// in another type or shape, or cannot be read, is passed over: the walk makes it again. CANCELLED if the observer says
// so.
absl::Status TakeStored(const PruneRequest& request, const SampleShare& share, const at::TensorOptions& options,
                        Placement placement, StageReporter& reporter, ActivationStream& dense);

}  // namespace besa::pruner
