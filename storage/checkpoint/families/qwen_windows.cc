#include "storage/checkpoint/families/qwen_windows.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/checkpoint/config_fields.h"
#include "storage/checkpoint/json_document.h"

namespace besa::storage {
namespace {

using Json = nlohmann::json;

// What transformers assumes where the fields are missing.
constexpr int64_t kAbsentWindow = 4096;
constexpr int64_t kAbsentFirstWindowed = 28;

absl::StatusOr<std::vector<bool>> ReadLayerTypes(const Json& types, int64_t blocks) {
  if (!types.is_array() || static_cast<int64_t>(types.size()) != blocks) {
    return FieldError("layer_types", QuoteValue(types), absl::StrCat("a list of ", blocks, ", one for each block"));
  }
  std::vector<bool> windowed;
  for (const Json& type : types) {
    if (type != Json("full_attention") && type != Json("sliding_attention")) {
      return FieldError("layer_types", QuoteValue(type), "\"full_attention\" or \"sliding_attention\"");
    }
    windowed.push_back(type == Json("sliding_attention"));
  }
  return windowed;
}

// 0: off.
absl::StatusOr<int64_t> ReadWindow(const Json& config) {
  ASSIGN_OR_RETURN(const bool use, FlagField(config, "use_sliding_window", false));
  const bool off = config.contains("sliding_window") && config.at("sliding_window").is_null();
  if (!use || off) return 0;
  return DimensionField(config, "sliding_window", kAbsentWindow);
}

// max_window_layers, which may be 0: every block.
absl::StatusOr<int64_t> ReadFirstWindowed(const Json& config) {
  if (HasField(config, "max_window_layers") && config.at("max_window_layers") == Json(0)) return 0;
  return DimensionField(config, "max_window_layers", kAbsentFirstWindowed);
}

}  // namespace

std::vector<std::string> QwenWindowFields() { return {"sliding_window", "use_sliding_window", "layer_types"}; }

absl::Status ReadQwenWindows(const Json& config, ModelConfig& result) {
  ASSIGN_OR_RETURN(const int64_t window, ReadWindow(config));
  std::vector<bool> windowed;
  if (HasField(config, "layer_types")) {
    ASSIGN_OR_RETURN(windowed, ReadLayerTypes(config.at("layer_types"), result.num_hidden_layers));
  } else if (window > 0) {
    ASSIGN_OR_RETURN(const int64_t first, ReadFirstWindowed(config));
    windowed.assign(static_cast<size_t>(result.num_hidden_layers), true);
    std::fill_n(windowed.begin(), std::min(first, result.num_hidden_layers), false);
  }
  if (std::find(windowed.begin(), windowed.end(), true) == windowed.end()) return absl::OkStatus();
  if (window == 0) {
    return FieldError("layer_types", "\"sliding_attention\"",
                      "\"full_attention\" alone, as use_sliding_window and sliding_window give no window");
  }
  result.sliding_window = window;
  result.windowed = std::move(windowed);
  return absl::OkStatus();
}

}  // namespace besa::storage
