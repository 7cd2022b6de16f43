// Errors as one line for people and as one JSON object for programs.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace besa::client {

// One line that names the field (and its flag), the value and what was expected, as far as the error tells; what was
// tried and what to do if no coordinator answered. Without a newline.
std::string DescribeError(const absl::Status& status);

// {"error":{"code":"NOT_FOUND","message":"...","reason":"...","metadata":{...}}}
std::string ErrorJson(const absl::Status& status);

}  // namespace besa::client
