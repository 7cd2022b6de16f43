// The arithmetic of pruning a block: what no implementation can do without.
#pragma once

#include <cstdint>

#include "cost/block_shape.h"
#include "cost/pruning_options.h"
#include "storage/checkpoint/model_config.h"

namespace besa::cost {

// FLOPs of one forward pass of all samples: the linears, and causal attention (half of the scores). The second form is
// for those who know the weights of the linears and the width of attention (heads * head_dim) only.
double ForwardFlops(const BlockShape& shape, int64_t samples, int64_t length);
double ForwardFlops(int64_t weights, int64_t attention_width, int64_t samples, int64_t length);

// FLOPs of one pass of all samples through the training, and through recovery: the masked forward, and backward the
// gradients of all weights, of all inputs but that of q, k and v, and of attention (two and a half forwards).
double TrainingFlops(const BlockShape& shape, int64_t samples, int64_t length);

// FLOPs that looking ahead adds to such a pass: forward through the next block, and back the gradients of all its
// inputs, without those of its weights.
double LookaheadFlops(const BlockShape& shape, int64_t samples, int64_t length);

// FLOPs of a pass of the allocation's training, and of one of recovery, of a block whose loss looks ahead or not.
// `options` resolved.
double AllocationPassFlops(const BlockShape& shape, int64_t samples, int64_t length, const BesaOptions& options,
                           bool looks_ahead);
double RecoveryPassFlops(const BlockShape& shape, int64_t samples, int64_t length, bool looks_ahead);

// FLOPs of pruning one block with BESA, its activations at hand: the dense forward pass; the passes of the training and
// of recovery; in the sequential schedule the walk through the committed block, and with the dense stream as reference
// that through the dense one; where the loss looks ahead, the reference through the next block, unless that is the pass
// for the next block's statistics (ObservesAhead). Behind block `block` there is nothing to look at if it is the last.
// `options` resolved.
double BlockFlops(const storage::ModelConfig& config, int64_t block, int64_t samples, int64_t length,
                  const BesaOptions& options);

}  // namespace besa::cost
