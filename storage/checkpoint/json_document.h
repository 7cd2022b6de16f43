// JSON files that others wrote, as documents.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace besa::storage {

// A document whose outermost value is an object, nested no deeper than 32 levels: later code may recurse over it.
// INVALID_ARGUMENT naming `what` otherwise.
absl::StatusOr<nlohmann::json> ParseJsonObject(absl::string_view text, absl::string_view what);

// A value as it is quoted in errors: compact, at most 200 bytes.
std::string QuoteValue(const nlohmann::json& value);

}  // namespace besa::storage
