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

// FLOPs of pruning one block with BESA, its activations at hand: the dense forward pass; the passes of the training and
// of recovery; in the sequential schedule the walk through the committed block, and with the dense stream as reference
// that through the dense one. `options` resolved.
double BlockFlops(const storage::ModelConfig& config, int64_t samples, int64_t length, const BesaOptions& options);

}  // namespace besa::cost
