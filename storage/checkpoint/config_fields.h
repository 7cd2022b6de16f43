// Typed fields of config.json. null counts as absent, as in transformers. Errors name the field and its value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace besa::storage {

// Far above any model, and low enough that no product of two of them overflows.
inline constexpr int64_t kMaxDimension = int64_t{1} << 28;

// Whether the field is there and not null.
bool HasField(const nlohmann::json& config, const std::string& field);

// A positive integer; `absent` where the field is missing, and an error if there is no `absent`. `shown_as` is the name
// in errors, `field` where empty.
absl::StatusOr<int64_t> DimensionField(const nlohmann::json& config, const std::string& field,
                                       std::optional<int64_t> absent, absl::string_view shown_as = "");

// A positive, finite number, likewise.
absl::StatusOr<double> PositiveField(const nlohmann::json& config, const std::string& field,
                                     std::optional<double> absent, absl::string_view shown_as = "");

absl::StatusOr<bool> FlagField(const nlohmann::json& config, const std::string& field, bool absent);

}  // namespace besa::storage
