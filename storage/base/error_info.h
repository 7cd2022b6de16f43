// What an error says to programs, beside its message for people: a reason and named facts.
//
// Inside the program it travels as a payload of absl::Status; at the edge proto/rpc_status.h turns it into
// google.rpc.ErrorInfo (AIP-193) and back.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace besa {

struct ErrorInfo {
  // UPPER_SNAKE_CASE, unique within besa: "FIELD_INVALID", "OUTPUT_NOT_EMPTY".
  std::string reason;
  // Facts such as "field", "value", "expected", "block", "linear".
  std::map<std::string, std::string> metadata;

  bool operator==(const ErrorInfo&) const = default;
};

// `code` with a message and machine-readable facts.
absl::Status ErrorWithInfo(absl::StatusCode code, absl::string_view message, ErrorInfo info);

// The facts of `status`, if it carries any.
std::optional<ErrorInfo> GetErrorInfo(const absl::Status& status);

// INVALID_ARGUMENT with reason FIELD_INVALID, for a field whose value cannot be used. The message reads
//   sparsity: 1.2 is not valid; expected a number between 0 and 1, both excluded
absl::Status FieldError(absl::string_view field, absl::string_view value, absl::string_view expected);

}  // namespace besa
