// Rotary embeddings in config.json: transformers 4 writes rope_theta beside an optional rope_scaling, transformers 5
// puts both into rope_parameters.
#pragma once

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "storage/checkpoint/model_config.h"

namespace besa::storage {

// Fills in rope_theta and rope_scaling; max_position_embeddings must be filled in. Types: default, linear, dynamic,
// llama3. Any other type, and any parameter that the type does not have, is refused by name.
absl::Status ReadRope(const nlohmann::json& config, ModelConfig& result);

}  // namespace besa::storage
