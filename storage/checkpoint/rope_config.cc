#include "storage/checkpoint/rope_config.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/checkpoint/config_fields.h"
#include "storage/checkpoint/json_document.h"

namespace besa::storage {
namespace {

using Json = nlohmann::json;

// The parameters of one field, and the name that errors give them.
struct Parameters {
  std::string field;
  const Json* values = nullptr;

  std::string Name(const std::string& key) const { return absl::StrCat(field, ".", key); }
  absl::StatusOr<double> Number(const std::string& key) const {
    return PositiveField(*values, key, std::nullopt, Name(key));
  }
};

absl::StatusOr<std::string> ReadType(const Parameters& parameters) {
  Json type;
  std::string name;
  for (const std::string key : {"rope_type", "type"}) {
    if (!HasField(*parameters.values, key)) continue;
    const Json& value = parameters.values->at(key);
    if (!type.is_null() && type != value) {
      return FieldError(parameters.Name(key), QuoteValue(value), absl::StrCat("the same as ", name));
    }
    type = value;
    name = parameters.Name(key);
  }
  if (type.is_null()) return std::string("default");
  for (const char* known : {"default", "linear", "dynamic", "llama3"}) {
    if (type == Json(known)) return std::string(known);
  }
  return FieldError(name, QuoteValue(type), "\"default\", \"linear\", \"dynamic\" or \"llama3\"");
}

// Whether a rope of this type has the parameter.
bool Knows(const std::string& type, const std::string& key) {
  if (key == "rope_type" || key == "type" || key == "rope_theta") return true;
  if (key == "factor") return type != "default";
  const bool llama3 =
      key == "low_freq_factor" || key == "high_freq_factor" || key == "original_max_position_embeddings";
  return llama3 && type == "llama3";
}

absl::Status CheckKeys(const Parameters& parameters, const std::string& type) {
  for (const auto& [key, value] : parameters.values->items()) {
    if (value.is_null() || Knows(type, key)) continue;
    // The same as not being there.
    if ((key == "factor" || key == "partial_rotary_factor") && value == Json(1)) continue;
    const bool known_as_one = key == "factor" || key == "partial_rotary_factor";
    return FieldError(parameters.Name(key), QuoteValue(value),
                      known_as_one ? "1" : absl::StrCat("no such field: rope type \"", type, "\" does not have it"));
  }
  return absl::OkStatus();
}

absl::Status ReadScaling(const Parameters& parameters, const std::string& type, ModelConfig& result) {
  if (type == "default") return absl::OkStatus();
  ASSIGN_OR_RETURN(const double factor, parameters.Number("factor"));
  // See RopeScaling.
  if (type == "dynamic") return absl::OkStatus();
  RopeScaling& scaling = result.rope_scaling;
  scaling.factor = factor;
  if (type == "linear") {
    scaling.kind = RopeScaling::Kind::kLinear;
    return absl::OkStatus();
  }
  scaling.kind = RopeScaling::Kind::kLlama3;
  ASSIGN_OR_RETURN(scaling.low_freq_factor, parameters.Number("low_freq_factor"));
  ASSIGN_OR_RETURN(scaling.high_freq_factor, parameters.Number("high_freq_factor"));
  if (scaling.high_freq_factor <= scaling.low_freq_factor) {
    return FieldError(parameters.Name("high_freq_factor"), absl::StrCat(scaling.high_freq_factor),
                      absl::StrCat("more than low_freq_factor, ", scaling.low_freq_factor));
  }
  ASSIGN_OR_RETURN(scaling.original_context,
                   DimensionField(*parameters.values, "original_max_position_embeddings",
                                  result.max_position_embeddings, parameters.Name("original_max_position_embeddings")));
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadRope(const Json& config, ModelConfig& result) {
  constexpr double kUnset = 0;
  ASSIGN_OR_RETURN(double theta, PositiveField(config, "rope_theta", kUnset));
  const Json* read = nullptr;
  for (const std::string field : {"rope_scaling", "rope_parameters"}) {
    if (!HasField(config, field)) continue;
    const Parameters parameters{field, &config.at(field)};
    if (!parameters.values->is_object()) return FieldError(field, QuoteValue(*parameters.values), "an object or null");
    if (parameters.values->empty()) continue;
    if (read != nullptr && *read != *parameters.values) {
      return FieldError(field, QuoteValue(*parameters.values), "the same as rope_scaling, or no such field");
    }
    read = parameters.values;
    ASSIGN_OR_RETURN(const std::string type, ReadType(parameters));
    RETURN_IF_ERROR(CheckKeys(parameters, type));
    RETURN_IF_ERROR(ReadScaling(parameters, type, result));
    ASSIGN_OR_RETURN(const double inner,
                     PositiveField(*parameters.values, "rope_theta", kUnset, parameters.Name("rope_theta")));
    if (theta != kUnset && inner != kUnset && inner != theta) {
      return FieldError(parameters.Name("rope_theta"), QuoteValue(parameters.values->at("rope_theta")),
                        absl::StrCat("the same as elsewhere, ", theta));
    }
    if (inner != kUnset) theta = inner;
  }
  if (theta != kUnset) result.rope_theta = theta;
  return absl::OkStatus();
}

}  // namespace besa::storage
