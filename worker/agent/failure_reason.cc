#include "worker/agent/failure_reason.h"

#include "storage/base/error_info.h"

namespace besa::worker {

v1::FailureReason FailureReasonOf(const absl::Status& status) {
  if (const auto info = GetErrorInfo(status)) {
    if (info->reason == kInputChanged) return v1::FAILURE_REASON_INPUT_CHANGED;
    if (info->reason == kBadNumbers) return v1::FAILURE_REASON_BAD_NUMBERS;
    if (info->reason == kStorageFailed) return v1::FAILURE_REASON_STORAGE;
    if (info->reason == kDeviceFailed) return v1::FAILURE_REASON_DEVICE;
    if (info->reason == kRankLost) return v1::FAILURE_REASON_CRASHED;
  }
  switch (status.code()) {
    case absl::StatusCode::kOutOfRange:
      return v1::FAILURE_REASON_INPUT_CHANGED;
    case absl::StatusCode::kResourceExhausted:
      return v1::FAILURE_REASON_OUT_OF_MEMORY;
    case absl::StatusCode::kUnavailable:
      return v1::FAILURE_REASON_STORAGE;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kPermissionDenied:
      return v1::FAILURE_REASON_INVALID_INPUT;
    default:
      return v1::FAILURE_REASON_INTERNAL;
  }
}

absl::Status StorageFailure(const absl::Status& status) {
  if (status.ok() || status.code() == absl::StatusCode::kCancelled) return status;
  return ErrorWithInfo(status.code(), status.message(), {kStorageFailed, {}});
}

}  // namespace besa::worker
