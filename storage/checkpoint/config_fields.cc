#include "storage/checkpoint/config_fields.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"
#include "storage/checkpoint/json_document.h"

namespace besa::storage {

bool HasField(const nlohmann::json& config, const std::string& field) {
  const auto found = config.find(field);
  return found != config.end() && !found->is_null();
}

absl::StatusOr<int64_t> DimensionField(const nlohmann::json& config, const std::string& field,
                                       std::optional<int64_t> absent, absl::string_view shown_as) {
  const absl::string_view name = shown_as.empty() ? absl::string_view(field) : shown_as;
  if (!HasField(config, field)) {
    if (absent) return *absent;
    return FieldError(name, "", "a positive integer");
  }
  const nlohmann::json& value = config.at(field);
  // An unsigned number past int64 is not a dimension either.
  if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<uint64_t>() > kMaxDimension) ||
      value.get<int64_t>() <= 0) {
    return FieldError(name, QuoteValue(value), absl::StrCat("a positive integer of at most ", kMaxDimension));
  }
  return value.get<int64_t>();
}

absl::StatusOr<double> PositiveField(const nlohmann::json& config, const std::string& field,
                                     std::optional<double> absent, absl::string_view shown_as) {
  const absl::string_view name = shown_as.empty() ? absl::string_view(field) : shown_as;
  if (!HasField(config, field)) {
    if (absent) return *absent;
    return FieldError(name, "", "a positive number");
  }
  const nlohmann::json& value = config.at(field);
  if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() <= 0) {
    return FieldError(name, QuoteValue(value), "a positive number");
  }
  return value.get<double>();
}

absl::StatusOr<bool> FlagField(const nlohmann::json& config, const std::string& field, bool absent) {
  if (!HasField(config, field)) return absent;
  const nlohmann::json& value = config.at(field);
  if (!value.is_boolean()) return FieldError(field, QuoteValue(value), "true or false");
  return value.get<bool>();
}

}  // namespace besa::storage
