// Status codes as values of a label: "OK", "NOT_FOUND", "UNAVAILABLE".
#pragma once

#include <string>

#include "absl/status/status.h"

namespace besa {

inline std::string CodeLabel(absl::StatusCode code) { return absl::StatusCodeToString(code); }

}  // namespace besa
