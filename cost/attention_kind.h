// Which implementation of attention a block runs: its memory depends on it.
#pragma once

#include <cstdint>

namespace besa::cost {

enum class AttentionKind {
  // LibTorch's blocked kernel.
  kFlashCpu,
  // LibTorch's FlashAttention in its deterministic mode; on Hopper forward by cuDNN, for heads of 64 and 128.
  kFlashCuda,
  // Matrix products with the [heads, length, length] scores in memory.
  kExplicit
};

constexpr AttentionKind ChooseAttention(bool cuda, bool bfloat16, int64_t head_dim) {
  if (!cuda) return AttentionKind::kFlashCpu;
  return bfloat16 && head_dim % 8 == 0 && head_dim <= 256 ? AttentionKind::kFlashCuda : AttentionKind::kExplicit;
}

}  // namespace besa::cost
