#include "storage/checkpoint/off_fields.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "storage/base/error_info.h"
#include "storage/checkpoint/json_document.h"

namespace besa::storage {
namespace {

using Json = nlohmann::json;

// Each with the values that mean "off".
struct OffField {
  std::string name;
  // JSON texts beside null.
  std::vector<std::string> off;
};

const std::vector<OffField>& OffFields() {
  static const auto* const fields = new std::vector<OffField>{
      {"attention_bias", {"false"}},
      {"mlp_bias", {"false"}},
      {"attention_out_bias", {"false"}},
      {"qkv_bias", {"false"}},
      {"use_bias", {"false"}},
      {"add_bias_linear", {"false"}},
      {"lm_head_bias", {"false"}},
      {"quantization_config", {}},
      {"compression_config", {}},
      {"pretraining_tp", {"0", "1"}},
      {"sliding_window", {}},
      {"use_sliding_window", {"false"}},
      {"attention_chunk_size", {}},
      {"layer_types", {}},
      {"no_rope_layers", {}},
      // Phi-3 has it beside rope_scaling, where it would count more than what is inside.
      {"original_max_position_embeddings", {}},
      {"partial_rotary_factor", {"1", "1.0"}},
      {"rotary_pct", {"1", "1.0"}},
      {"rope_interleaved", {"false"}},
      {"rope_local_base_freq", {}},
      {"mrope_section", {}},
      {"attn_temperature_tuning", {"false"}},
      {"use_qk_norm", {"false"}},
      {"qk_norm", {"false"}},
      {"qk_layernorm", {"false"}},
      {"clip_qkv", {}},
      {"logit_scale", {"1", "1.0"}},
      {"logits_scaling", {"1", "1.0"}},
      {"final_logit_softcapping", {}},
      {"attn_logit_softcapping", {}},
      {"query_pre_attn_scalar", {}},
      {"attention_multiplier", {}},
      {"embedding_multiplier", {"1", "1.0"}},
      {"residual_multiplier", {"1", "1.0"}},
      {"scale_emb", {"1", "1.0"}},
      {"scale_depth", {}},
      {"alibi", {"false"}},
      {"parallel_residual", {"false"}},
      {"use_parallel_residual", {"false"}},
      {"num_experts", {"0", "1"}},
      {"num_local_experts", {"0", "1"}},
      {"n_routed_experts", {"0"}},
      {"is_encoder_decoder", {"false"}},
      {"add_cross_attention", {"false"}},
      {"pruned_heads", {"{}"}},
      {"auto_map", {"{}"}},
  };
  return *fields;
}

}  // namespace

absl::Status CheckOffFields(const Json& config, const std::vector<std::string>& read_elsewhere) {
  for (const OffField& field : OffFields()) {
    const auto found = config.find(field.name);
    if (found == config.end() || found->is_null()) continue;
    if (std::find(read_elsewhere.begin(), read_elsewhere.end(), field.name) != read_elsewhere.end()) continue;
    const std::string value = found->dump(-1, ' ', /*ensure_ascii=*/true);
    if (std::find(field.off.begin(), field.off.end(), value) != field.off.end()) continue;
    // A window that a second field switches off.
    if (field.name == "sliding_window" && config.value("use_sliding_window", Json()) == Json(false)) continue;
    const std::string expected = field.off.empty() ? "no such field" : absl::StrJoin(field.off, " or ");
    return FieldError(field.name, QuoteValue(*found), absl::StrCat(expected, ": it changes the model's computation"));
  }
  return absl::OkStatus();
}

}  // namespace besa::storage
