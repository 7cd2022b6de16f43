#include "storage/checkpoint/model_config.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/checkpoint/config_fields.h"
#include "storage/checkpoint/families/family.h"
#include "storage/checkpoint/json_document.h"
#include "storage/checkpoint/off_fields.h"
#include "storage/checkpoint/rope_config.h"

namespace besa::storage {
namespace {

using Json = nlohmann::json;

absl::StatusOr<const Family*> FindFamily(const Json& config) {
  const auto architectures = config.find("architectures");
  const auto& families = Families();
  const auto family = std::find_if(families.begin(), families.end(), [&](const Family& candidate) {
    return architectures != config.end() && *architectures == Json::array({candidate.architecture});
  });
  if (family == families.end()) {
    const std::string all = absl::StrJoin(families, ", ", [](std::string* out, const Family& candidate) {
      absl::StrAppend(out, "[\"", candidate.architecture, "\"]");
    });
    return FieldError("architectures", architectures == config.end() ? "" : QuoteValue(*architectures),
                      absl::StrCat("one of ", all));
  }
  const auto type = config.find("model_type");
  if (type != config.end() && *type != Json(family->model_type)) {
    return FieldError("model_type", QuoteValue(*type), absl::StrCat("\"", family->model_type, "\""));
  }
  const auto activation = config.find("hidden_act");
  if (activation != config.end() && *activation != Json("silu")) {
    return FieldError("hidden_act", QuoteValue(*activation), "\"silu\"");
  }
  return &*family;
}

absl::Status ReadHeads(const Json& config, const Family& family, ModelConfig& result) {
  ASSIGN_OR_RETURN(result.num_attention_heads, DimensionField(config, "num_attention_heads", std::nullopt));
  // null is as many as query heads, whatever a missing field means.
  const bool default_heads = family.absent_key_value_heads > 0 && !config.contains("num_key_value_heads");
  ASSIGN_OR_RETURN(result.num_key_value_heads,
                   DimensionField(config, "num_key_value_heads",
                                  default_heads ? family.absent_key_value_heads : result.num_attention_heads));
  if (result.num_attention_heads % result.num_key_value_heads != 0) {
    return FieldError("num_key_value_heads", absl::StrCat(result.num_key_value_heads),
                      absl::StrCat("a divisor of num_attention_heads, ", result.num_attention_heads));
  }
  const bool by_share = !HasField(config, "head_dim") && family.absent_head_dim == 0;
  if (by_share && result.hidden_size % result.num_attention_heads != 0) {
    return FieldError("num_attention_heads", absl::StrCat(result.num_attention_heads),
                      absl::StrCat("a divisor of hidden_size, ", result.hidden_size, ", where head_dim is not given"));
  }
  ASSIGN_OR_RETURN(result.head_dim,
                   DimensionField(config, "head_dim",
                                  by_share ? result.hidden_size / result.num_attention_heads : family.absent_head_dim));
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
  ASSIGN_OR_RETURN(const Family* const family, FindFamily(config));
  RETURN_IF_ERROR(CheckOffFields(config, family->reads));
  ModelConfig result{.architecture = family->architecture};
  ASSIGN_OR_RETURN(result.hidden_size, DimensionField(config, "hidden_size", std::nullopt));
  ASSIGN_OR_RETURN(result.intermediate_size, DimensionField(config, "intermediate_size", std::nullopt));
  ASSIGN_OR_RETURN(result.num_hidden_layers, DimensionField(config, "num_hidden_layers", std::nullopt));
  ASSIGN_OR_RETURN(result.vocab_size, DimensionField(config, "vocab_size", std::nullopt));
  ASSIGN_OR_RETURN(result.max_position_embeddings, DimensionField(config, "max_position_embeddings", std::nullopt));
  RETURN_IF_ERROR(ReadHeads(config, *family, result));
  ASSIGN_OR_RETURN(result.rms_norm_eps, PositiveField(config, "rms_norm_eps", result.rms_norm_eps));
  RETURN_IF_ERROR(ReadRope(config, result));
  ASSIGN_OR_RETURN(result.tie_word_embeddings, FlagField(config, "tie_word_embeddings", false));
  RETURN_IF_ERROR(family->read(config, result));
  return result;
}

int64_t ModelConfig::WindowOf(int64_t block) const {
  return sliding_window > 0 && windowed.at(static_cast<size_t>(block)) ? sliding_window : 0;
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
