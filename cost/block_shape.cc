#include "cost/block_shape.h"

namespace besa::cost {

const char* LinearName(Linear linear) {
  static constexpr std::array<const char*, kLinears> kNames = {
      "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
      "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
  return kNames[linear];
}

const char* GroupName(Group group) {
  static constexpr std::array<const char*, kGroups> kNames = {"self_attn.q_proj, k_proj, v_proj", "self_attn.o_proj",
                                                              "mlp.gate_proj, up_proj", "mlp.down_proj"};
  return kNames[group];
}

BlockShape BlockShape::Of(const storage::ModelConfig& config, int64_t block) {
  return {.hidden = config.hidden_size,
          .intermediate = config.intermediate_size,
          .heads = config.num_attention_heads,
          .kv_heads = config.num_key_value_heads,
          .head_dim = config.head_dim,
          .rms_norm_eps = config.rms_norm_eps,
          .rope_theta = config.rope_theta,
          .rope_scaling = config.rope_scaling,
          .qkv_bias = config.qkv_bias,
          .attention_out_bias = config.attention_out_bias,
          .mlp_bias = config.mlp_bias,
          .qk_norm = config.qk_norm,
          .window = config.WindowOf(block)};
}

bool BlockShape::HasBias(Group group) const {
  switch (group) {
    case kQkv:
      return qkv_bias;
    case kAttentionOut:
      return attention_out_bias;
    case kGateUp:
    case kMlpOut:
      return mlp_bias;
  }
  return false;
}

int64_t BlockShape::Rows(Linear linear) const {
  switch (linear) {
    case kQ:
      return heads * head_dim;
    case kK:
    case kV:
      return kv_heads * head_dim;
    case kGate:
    case kUp:
      return intermediate;
    case kO:
    case kDown:
      return hidden;
  }
  return 0;
}

int64_t BlockShape::Cols(Linear linear) const {
  switch (linear) {
    case kO:
      return heads * head_dim;
    case kDown:
      return intermediate;
    default:
      return hidden;
  }
}

int64_t BlockShape::GroupRows(Group group) const {
  int64_t rows = 0;
  for (Linear linear : kAllLinears) {
    if (GroupOf(linear) == group) rows += Rows(linear);
  }
  return rows;
}

int64_t BlockShape::GroupCols(Group group) const {
  for (Linear linear : kAllLinears) {
    if (GroupOf(linear) == group) return Cols(linear);
  }
  return 0;
}

int64_t BlockShape::RowInGroup(Linear linear) const {
  int64_t row = 0;
  for (Linear before : kAllLinears) {
    if (before < linear && GroupOf(before) == GroupOf(linear)) row += Rows(before);
  }
  return row;
}

int64_t BlockShape::TotalRows() const {
  int64_t rows = 0;
  for (Linear linear : kAllLinears) rows += Rows(linear);
  return rows;
}

int64_t BlockShape::TotalWeights() const {
  int64_t weights = 0;
  for (Linear linear : kAllLinears) weights += Rows(linear) * Cols(linear);
  return weights;
}

}  // namespace besa::cost
