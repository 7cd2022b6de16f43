#include "server/validation/field_context.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"

namespace besa::server {

absl::Status InField(absl::string_view field, absl::string_view value, const absl::Status& status) {
  if (status.ok()) return status;
  ErrorInfo info = GetErrorInfo(status).value_or(ErrorInfo{});
  if (info.reason.empty()) info.reason = status.code() == absl::StatusCode::kNotFound ? "NOT_FOUND" : "FIELD_INVALID";
  info.metadata["field"] = std::string(field);
  info.metadata["value"] = std::string(value);
  const auto code = status.code() == absl::StatusCode::kNotFound ? absl::StatusCode::kInvalidArgument : status.code();
  return ErrorWithInfo(code, absl::StrCat(field, ": ", value, ": ", std::string(status.message())), std::move(info));
}

}  // namespace besa::server
