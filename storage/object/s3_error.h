// Errors of S3 in words that say what to check.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "storage/object/s3_settings.h"
#include "storage/object/uri.h"

namespace besa::storage {

// S3's name of the error in a message of Arrow's ("NO_SUCH_BUCKET", "AuthorizationHeaderMalformed", or "HTTP 403" where
// the server gave none); empty if the error is not one of S3's.
std::string S3ErrorName(absl::string_view message);

// `status` of an operation on `uri`, with the code that says what can be done about it and a message that names the
// bucket, the server, where the keys come from and what to check. What is no error of S3's stays as it is.
absl::Status ExplainS3Error(const absl::Status& status, const Uri& uri, const S3Settings& settings);

}  // namespace besa::storage
