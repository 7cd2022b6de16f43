// model.safetensors.index.json: which file holds which tensor, as Hugging Face libraries read it.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "storage/safetensors/safetensors.h"

namespace besa::server {

// From the headers of the published files by file name. Deterministic. INTERNAL if two files hold the same tensor.
absl::StatusOr<std::string> FormatWeightIndex(const std::map<std::string, storage::SafetensorsHeader>& files);

}  // namespace besa::server
