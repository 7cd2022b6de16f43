#include "storage/base/error_info.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace besa {
namespace {

constexpr char kPayloadUrl[] = "type.besa.dev/besa.ErrorInfo";

}  // namespace

absl::Status ErrorWithInfo(absl::StatusCode code, absl::string_view message, ErrorInfo info) {
  absl::Status status(code, message);
  // Values may quote arbitrary input, so bytes that are not UTF-8 are replaced instead of thrown on.
  const nlohmann::json encoded = {{"reason", std::move(info.reason)}, {"metadata", std::move(info.metadata)}};
  status.SetPayload(kPayloadUrl, absl::Cord(encoded.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  return status;
}

std::optional<ErrorInfo> GetErrorInfo(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayloadUrl);
  if (!payload) return std::nullopt;
  const auto decoded = nlohmann::json::parse(std::string(*payload), nullptr, /*allow_exceptions=*/false);
  if (decoded.is_discarded()) return std::nullopt;
  return ErrorInfo{.reason = decoded.at("reason").get<std::string>(),
                   .metadata = decoded.at("metadata").get<std::map<std::string, std::string>>()};
}

absl::Status FieldError(absl::string_view field, absl::string_view value, absl::string_view expected) {
  return ErrorWithInfo(
      absl::StatusCode::kInvalidArgument,
      absl::StrCat(field, ": ", value.empty() ? "an empty value" : value, " is not valid; expected ", expected),
      {.reason = "FIELD_INVALID",
       .metadata = {
           {"field", std::string(field)}, {"value", std::string(value)}, {"expected", std::string(expected)}}});
}

}  // namespace besa
