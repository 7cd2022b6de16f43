// Errors of the operating system as absl::Status.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "storage/object/uri.h"

namespace besa::storage {

// "<uri>: <what the system says>" with the code that says what can be done about it: NOT_FOUND, PERMISSION_DENIED,
// RESOURCE_EXHAUSTED for a full disk or quota, FAILED_PRECONDITION for a folder where a file should be and the like,
// INVALID_ARGUMENT for a name the system refuses, else UNAVAILABLE.
absl::Status ErrorFromErrno(int error, const Uri& uri);

// The code alone.
absl::StatusCode CodeFromErrno(int error);

}  // namespace besa::storage
