// The arithmetic of pruning a block: what no implementation can do without.
#pragma once

#include <cstdint>

#include "storage/checkpoint/model_config.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {

// FLOPs of one forward pass of all samples: the linears, and causal attention (half of the scores).
double LinearForwardFlops(const storage::ModelConfig& config, int64_t samples, int64_t length);
double AttentionForwardFlops(const storage::ModelConfig& config, int64_t samples, int64_t length);

// FLOPs of pruning one block with BESA, its activations at hand: the dense forward pass; by pass of the training and of
// recovery the
// masked forward, and backward the gradients of all weights, of all inputs but that of q, k and v, and of attention
// (two and a half forwards); in the sequential schedule the walk through the committed block, and with the dense stream
// as reference that through the dense one. `options` resolved.
double BlockFlops(const storage::ModelConfig& config, int64_t samples, int64_t length, const BesaOptions& options);

}  // namespace besa::pruner
