// Activations from the embeddings and through one block.
//
// Every window takes the same path in the same batches, whatever was asked before: activations that were kept are, bit
// for bit, those that a new walk would give.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/checkpoint/checkpoint.h"
#include "worker/pruner/activations.h"
#include "worker/pruner/llama_block.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {

// Windows that go through a block at once: see cost/batches.h.
int64_t WalkBatch(int64_t length, at::Device device);

// Calls body(first, count) for each batch, in order, until one fails.
absl::Status ForEachBatch(int64_t samples, int64_t batch,
                          const std::function<absl::Status(int64_t first, int64_t count)>& body);

// Embeddings of windows [first, first + count), read from `source`: [count, length, hidden]. INVALID_ARGUMENT for an id
// that the vocabulary does not have.
absl::StatusOr<Activations> Embed(const storage::ModelConfig& config, const storage::TensorSource& source,
                                  const TokenWindows& windows, int64_t first, int64_t count,
                                  const at::TensorOptions& options, Placement placement = Placement::kDevice);

// Which linear's input or output went bad in this forward pass: BadNumbers of the first one, in the order of
// computation; OK if all numbers are finite. `state` and `y` as LlamaBlock::Forward leaves them.
absl::Status CheckActivations(int64_t block_index, const BlockState& state, const at::Tensor& y);

// Replaces x [windows, length, hidden] by the block's output. OUT_OF_RANGE as CheckActivations. After a failure x is
// neither one nor the other. `step(first window not done)` runs between batches.
absl::Status WalkBlock(int64_t block_index, const LlamaBlock& block, const BlockWeights& weights, const Activations& x,
                       const std::function<absl::Status(int64_t)>& step);

}  // namespace besa::pruner
