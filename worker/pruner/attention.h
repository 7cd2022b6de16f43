// Causal scaled-dot-product attention with grouped key/value heads, forward and backward, without autograd. With a
// window, a query sees that many tokens, itself and those before it.
//
// Three implementations behind one interface, chosen by device, type and head size alone:
//   flash on a CPU      LibTorch's blocked kernel (float32, float64, bfloat16)
//   flash on CUDA       LibTorch's FlashAttention in its deterministic mode (bfloat16, head_dim % 8 == 0, <= 256);
//                       on Hopper forward by cuDNN, for heads of 64 and 128
//   explicit on CUDA    matrix products with the [heads, length, length] scores in memory (everything else)
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "cost/attention_kind.h"

namespace besa::pruner {

using cost::AttentionKind;

AttentionKind ChooseAttention(at::Device device, at::ScalarType type, int64_t head_dim);

// What the backward pass needs.
struct AttentionState {
  AttentionKind kind = AttentionKind::kExplicit;
  // 0 where it would cut nothing off.
  int64_t window = 0;
  // [batch, heads, length, head_dim], keys and values with their own number of heads; any strides.
  at::Tensor query;
  at::Tensor key;
  at::Tensor value;
  // [batch, heads, length, head_dim] with heads next to head_dim in memory: a view of [tokens, heads * head_dim].
  at::Tensor output;
  // Flash: log of the softmax's sums. Explicit: the probabilities [batch, heads, length, length].
  at::Tensor statistics;
  // Flash on a CPU with a window: what is added to the scores, [length, length].
  at::Tensor mask;
  // FlashAttention on CUDA hands these from forward to backward (no dropout: the values do not matter).
  at::Tensor philox_seed;
  at::Tensor philox_offset;
};

// Query, key and value as in AttentionState; window 0: none. Keeps everything in the state, whose `output` is the
// result.
AttentionState Attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, int64_t window = 0);

struct AttentionGradients {
  // Shaped as query, key, value.
  at::Tensor query;
  at::Tensor key;
  at::Tensor value;
};

// gradient_output as state.output.
AttentionGradients AttentionBackward(const at::Tensor& gradient_output, const AttentionState& state);

}  // namespace besa::pruner
