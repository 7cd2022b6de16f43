// The S3 library of Arrow: started once, ended with the process.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/object/s3_connection.h"
#include "storage/object/s3_settings.h"

namespace arrow::fs {
class FileSystem;
}

namespace besa::storage {

// A client of its own. Waits until no call of another client is under way (Arrow locks them out). `allow_delayed_open`:
// small objects go in one request when they are closed, and errors show then; otherwise opening a stream begins its
// upload. UNAVAILABLE if settings name no keys and the SDK finds none: requests are never sent unsigned.
absl::StatusOr<std::shared_ptr<arrow::fs::FileSystem>> NewS3Client(const S3Settings& settings, const S3Retries& retries,
                                                                   absl::Duration patience, bool allow_delayed_open);

// The region of a bucket of Amazon's, asked without keys. NOT_FOUND if there is no such bucket.
absl::StatusOr<std::string> AskAmazonForRegion(const std::string& bucket);

}  // namespace besa::storage
