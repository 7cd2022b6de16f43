// Errors of the storage layer, told as errors of a request's field.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace besa::server {

// `status` of using `value`, as an error of `field`: the message begins with both, the facts name both and keep what
// `status` said besides. What was not found is an INVALID_ARGUMENT of the request; all other codes stay, so that a
// store that is out of reach is not blamed on the caller. OK stays OK.
absl::Status InField(absl::string_view field, absl::string_view value, const absl::Status& status);

}  // namespace besa::server
