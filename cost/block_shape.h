// The shape of a transformer block, its seven linears and the four groups of linears that share an input.
#pragma once

#include <array>
#include <cstdint>

#include "storage/checkpoint/model_config.h"

namespace besa::cost {

// In the order of reports and of ties of the exact-sparsity rule.
enum Linear : int { kQ, kK, kV, kO, kGate, kUp, kDown };
inline constexpr int kLinears = 7;

// Linears that read the same input are stored below each other and run as one matrix product.
enum Group : int { kQkv, kAttentionOut, kGateUp, kMlpOut };
inline constexpr int kGroups = 4;

constexpr Group GroupOf(Linear linear) {
  constexpr std::array<Group, kLinears> kGroupOf = {kQkv, kQkv, kQkv, kAttentionOut, kGateUp, kGateUp, kMlpOut};
  return kGroupOf[linear];
}

inline constexpr std::array<Linear, kLinears> kAllLinears = {kQ, kK, kV, kO, kGate, kUp, kDown};

// "self_attn.q_proj".
const char* LinearName(Linear linear);
// The linears of a group for messages: "self_attn.q_proj, k_proj, v_proj".
const char* GroupName(Group group);

struct BlockShape {
  int64_t hidden = 0;
  int64_t intermediate = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  double rms_norm_eps = 0.0;
  double rope_theta = 0.0;
  // Traits that not every model has: see ModelConfig.
  storage::RopeScaling rope_scaling = {};
  bool qkv_bias = false;
  bool attention_out_bias = false;
  bool mlp_bias = false;
  bool qk_norm = false;
  // Tokens that a query sees, itself included; 0: all before it. The only thing here that differs between blocks.
  int64_t window = 0;

  static BlockShape Of(const storage::ModelConfig& config, int64_t block);

  bool operator==(const BlockShape&) const = default;

  bool HasBias(Group group) const;

  // Output and input features.
  int64_t Rows(Linear linear) const;
  int64_t Cols(Linear linear) const;
  int64_t GroupRows(Group group) const;
  int64_t GroupCols(Group group) const;
  // The row of the group where the linear begins.
  int64_t RowInGroup(Linear linear) const;
  // Rows of all seven linears.
  int64_t TotalRows() const;
  // Weights of all seven linears.
  int64_t TotalWeights() const;
};

}  // namespace besa::cost
