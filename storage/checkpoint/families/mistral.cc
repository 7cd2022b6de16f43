#include "storage/checkpoint/families/mistral.h"

#include "storage/base/status_macros.h"
#include "storage/checkpoint/config_fields.h"

namespace besa::storage {
namespace {

constexpr int64_t kAbsentWindow = 4096;

absl::Status ReadWindow(const nlohmann::json& config, ModelConfig& result) {
  // null switches the window off, but where the field is missing there is one.
  if (config.contains("sliding_window") && config.at("sliding_window").is_null()) return absl::OkStatus();
  ASSIGN_OR_RETURN(result.sliding_window, DimensionField(config, "sliding_window", kAbsentWindow));
  result.windowed.assign(static_cast<size_t>(result.num_hidden_layers), true);
  return absl::OkStatus();
}

}  // namespace

Family Mistral() {
  return {.architecture = "MistralForCausalLM",
          .model_type = "mistral",
          .absent_key_value_heads = 8,
          .reads = {"sliding_window"},
          .read = ReadWindow};
}

}  // namespace besa::storage
