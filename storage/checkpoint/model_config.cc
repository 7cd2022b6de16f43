#include "storage/checkpoint/model_config.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/checkpoint/json_document.h"

namespace besa::storage {
namespace {

using Json = nlohmann::json;

constexpr char kArchitecture[] = "LlamaForCausalLM";
// Far above any model, and low enough that no product of two of them overflows.
constexpr int64_t kMaxDimension = int64_t{1} << 28;

// Fields of other families, and of Llama itself, that change the forward pass or the weights, each with the values that
// mean "off". Anything else in such a field is refused by name. Fields that are on no list do not reach the forward
// pass of this architecture in transformers either.
struct OffField {
  absl::string_view name;
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
      {"partial_rotary_factor", {"1", "1.0"}},
      {"rotary_pct", {"1", "1.0"}},
      {"rope_interleaved", {"false"}},
      {"rope_local_base_freq", {}},
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

absl::Status CheckOffFields(const Json& config) {
  for (const OffField& field : OffFields()) {
    const auto found = config.find(std::string(field.name));
    if (found == config.end() || found->is_null()) continue;
    const std::string value = found->dump(-1, ' ', /*ensure_ascii=*/true);
    if (std::find(field.off.begin(), field.off.end(), value) != field.off.end()) continue;
    // Mistral and Qwen name a window that a second field switches off.
    if (field.name == "sliding_window" && config.value("use_sliding_window", Json()) == Json(false)) continue;
    const std::string expected = field.off.empty() ? "no such field" : absl::StrJoin(field.off, " or ");
    return FieldError(field.name, QuoteValue(*found), absl::StrCat(expected, ": it changes the model's computation"));
  }
  return absl::OkStatus();
}

absl::Status CheckArchitecture(const Json& config) {
  const auto architectures = config.find("architectures");
  if (architectures == config.end() || *architectures != Json::array({kArchitecture})) {
    return FieldError("architectures", architectures == config.end() ? "" : QuoteValue(*architectures),
                      absl::StrCat("[\"", kArchitecture, "\"]"));
  }
  const auto type = config.find("model_type");
  if (type != config.end() && *type != Json("llama")) return FieldError("model_type", QuoteValue(*type), "\"llama\"");
  const auto activation = config.find("hidden_act");
  if (activation != config.end() && *activation != Json("silu")) {
    return FieldError("hidden_act", QuoteValue(*activation), "\"silu\"");
  }
  return absl::OkStatus();
}

// A positive integer; `absent` where the field is missing or null, and an error if there is none.
absl::StatusOr<int64_t> Dimension(const Json& config, const std::string& field, std::optional<int64_t> absent) {
  const auto found = config.find(field);
  if (found == config.end() || found->is_null()) {
    if (absent) return *absent;
    return FieldError(field, "", "a positive integer");
  }
  // An unsigned number past int64 is not a dimension either.
  if (!found->is_number_integer() || (found->is_number_unsigned() && found->get<uint64_t>() > kMaxDimension) ||
      found->get<int64_t>() <= 0) {
    return FieldError(field, QuoteValue(*found), absl::StrCat("a positive integer of at most ", kMaxDimension));
  }
  return found->get<int64_t>();
}

absl::StatusOr<double> PositiveNumber(const Json& config, const std::string& field, double absent,
                                      absl::string_view shown_as) {
  const auto found = config.find(field);
  if (found == config.end() || found->is_null()) return absent;
  if (!found->is_number() || !std::isfinite(found->get<double>()) || found->get<double>() <= 0) {
    return FieldError(shown_as, QuoteValue(*found), "a positive number");
  }
  return found->get<double>();
}

absl::StatusOr<bool> Flag(const Json& config, const std::string& field, bool absent) {
  const auto found = config.find(field);
  if (found == config.end() || found->is_null()) return absent;
  if (!found->is_boolean()) return FieldError(field, QuoteValue(*found), "true or false");
  return found->get<bool>();
}

// transformers 4 writes rope_theta beside an optional rope_scaling, transformers 5 puts both into rope_parameters.
absl::Status ReadRope(const Json& config, ModelConfig& result) {
  constexpr double kUnset = 0;
  ASSIGN_OR_RETURN(double theta, PositiveNumber(config, "rope_theta", kUnset, "rope_theta"));
  for (const std::string field : {"rope_scaling", "rope_parameters"}) {
    const auto found = config.find(field);
    if (found == config.end() || found->is_null()) continue;
    if (!found->is_object()) return FieldError(field, QuoteValue(*found), "an object or null");
    for (const auto& [key, value] : found->items()) {
      const std::string name = absl::StrCat(field, ".", key);
      if (key == "rope_type" || key == "type") {
        if (value != Json("default")) return FieldError(name, QuoteValue(value), "\"default\"");
      } else if (key == "rope_theta") {
        ASSIGN_OR_RETURN(const double inner, PositiveNumber(*found, key, kUnset, name));
        if (theta != kUnset && inner != kUnset && inner != theta) {
          return FieldError(name, QuoteValue(value), absl::StrCat("the same as elsewhere, ", theta));
        }
        if (inner != kUnset) theta = inner;
      } else if (key == "factor" || key == "partial_rotary_factor") {
        if (!value.is_null() && value != Json(1)) return FieldError(name, QuoteValue(value), "1");
      } else if (!value.is_null()) {
        return FieldError(name, QuoteValue(value), "no such field: only unscaled rotary embeddings are supported");
      }
    }
  }
  if (theta != kUnset) result.rope_theta = theta;
  return absl::OkStatus();
}

absl::Status ReadHeads(const Json& config, ModelConfig& result) {
  ASSIGN_OR_RETURN(result.num_attention_heads, Dimension(config, "num_attention_heads", std::nullopt));
  ASSIGN_OR_RETURN(result.num_key_value_heads, Dimension(config, "num_key_value_heads", result.num_attention_heads));
  if (result.num_attention_heads % result.num_key_value_heads != 0) {
    return FieldError("num_key_value_heads", absl::StrCat(result.num_key_value_heads),
                      absl::StrCat("a divisor of num_attention_heads, ", result.num_attention_heads));
  }
  const bool explicit_head = config.contains("head_dim") && !config.at("head_dim").is_null();
  if (!explicit_head && result.hidden_size % result.num_attention_heads != 0) {
    return FieldError("num_attention_heads", absl::StrCat(result.num_attention_heads),
                      absl::StrCat("a divisor of hidden_size, ", result.hidden_size, ", where head_dim is not given"));
  }
  ASSIGN_OR_RETURN(result.head_dim, Dimension(config, "head_dim", result.hidden_size / result.num_attention_heads));
  if (result.head_dim % 2 != 0) {
    return FieldError("head_dim", absl::StrCat(result.head_dim), "an even number (rotary embeddings turn pairs)");
  }
  if (result.head_dim > kMaxDimension / result.num_attention_heads) {
    return FieldError("head_dim", absl::StrCat(result.head_dim),
                      absl::StrCat("at most ", kMaxDimension, " channels over all heads"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view json) {
  ASSIGN_OR_RETURN(const Json config, ParseJsonObject(json, "config.json"));
  // The architecture first: fields of another one would only confuse.
  RETURN_IF_ERROR(CheckArchitecture(config));
  RETURN_IF_ERROR(CheckOffFields(config));
  ModelConfig result{.architecture = kArchitecture};
  ASSIGN_OR_RETURN(result.hidden_size, Dimension(config, "hidden_size", std::nullopt));
  ASSIGN_OR_RETURN(result.intermediate_size, Dimension(config, "intermediate_size", std::nullopt));
  ASSIGN_OR_RETURN(result.num_hidden_layers, Dimension(config, "num_hidden_layers", std::nullopt));
  ASSIGN_OR_RETURN(result.vocab_size, Dimension(config, "vocab_size", std::nullopt));
  ASSIGN_OR_RETURN(result.max_position_embeddings, Dimension(config, "max_position_embeddings", std::nullopt));
  RETURN_IF_ERROR(ReadHeads(config, result));
  ASSIGN_OR_RETURN(result.rms_norm_eps, PositiveNumber(config, "rms_norm_eps", result.rms_norm_eps, "rms_norm_eps"));
  RETURN_IF_ERROR(ReadRope(config, result));
  ASSIGN_OR_RETURN(result.tie_word_embeddings, Flag(config, "tie_word_embeddings", false));
  return result;
}

std::vector<LinearSpec> BlockLinears(const ModelConfig& config) {
  const int64_t hidden = config.hidden_size;
  const int64_t queries = config.num_attention_heads * config.head_dim;
  const int64_t keys = config.num_key_value_heads * config.head_dim;
  const int64_t wide = config.intermediate_size;
  return {{"self_attn.q_proj", queries, hidden}, {"self_attn.k_proj", keys, hidden}, {"self_attn.v_proj", keys, hidden},
          {"self_attn.o_proj", hidden, queries}, {"mlp.gate_proj", wide, hidden},    {"mlp.up_proj", wide, hidden},
          {"mlp.down_proj", hidden, wide}};
}

std::string BlockPrefix(int64_t block) { return absl::StrCat("model.layers.", block, "."); }

}  // namespace besa::storage
