// Fields of config.json that change the forward pass or the weights of some model, and that must be off.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace besa::storage {

// INVALID_ARGUMENT naming the first such field whose value does not mean "off", fields in `read_elsewhere` left out.
// Fields that are on no list do not reach the forward pass of the supported architectures in transformers either.
absl::Status CheckOffFields(const nlohmann::json& config, const std::vector<std::string>& read_elsewhere);

}  // namespace besa::storage
