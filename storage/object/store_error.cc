#include "storage/object/store_error.h"

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace besa::storage {

absl::StatusCode CodeFromErrno(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
      return absl::StatusCode::kResourceExhausted;
    case EEXIST:
    case EISDIR:
    case ENOTEMPTY:
      return absl::StatusCode::kFailedPrecondition;
    case ENAMETOOLONG:
    case EINVAL:
    case EILSEQ:
    case ELOOP:
      return absl::StatusCode::kInvalidArgument;
    default:
      // Input/output errors, stale network mounts, too many open files: they may pass.
      return absl::StatusCode::kUnavailable;
  }
}

absl::Status ErrorFromErrno(int error, const Uri& uri) {
  return absl::Status(CodeFromErrno(error), absl::StrCat(uri.ToString(), ": ", std::generic_category().message(error)));
}

}  // namespace besa::storage
