// Which blocks of a Qwen have a sliding window.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "storage/checkpoint/model_config.h"

namespace besa::storage {

// The fields that ReadQwenWindows deals with.
std::vector<std::string> QwenWindowFields();

// Without use_sliding_window there is none. With it, layer_types says which blocks have one; without layer_types, those
// from max_window_layers on.
absl::Status ReadQwenWindows(const nlohmann::json& config, ModelConfig& result);

}  // namespace besa::storage
