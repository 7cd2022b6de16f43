// What an error of a task means to its job.
#pragma once

#include "absl/status/status.h"
#include "besa/v1/job.pb.h"

namespace besa::worker {

// Reasons of ErrorInfo that say more than the code.
inline constexpr char kInputChanged[] = "INPUT_CHANGED";
inline constexpr char kBadNumbers[] = "BAD_NUMBERS";
inline constexpr char kStorageFailed[] = "STORAGE_FAILED";
inline constexpr char kDeviceFailed[] = "DEVICE_FAILED";
// A process of the worker's ended or said nothing for too long.
inline constexpr char kRankLost[] = "RANK_LOST";

// By ErrorInfo's reason where it is one of the above, else by code, as worker/pruner/pruner.h gives them:
//   OUT_OF_RANGE        INPUT_CHANGED: a file became shorter than its header says
//   RESOURCE_EXHAUSTED  OUT_OF_MEMORY
//   UNAVAILABLE         STORAGE
//   INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, PERMISSION_DENIED  INVALID_INPUT
//   anything else       INTERNAL
v1::FailureReason FailureReasonOf(const absl::Status& status);

// `status` of reading or writing the job's own workspace: whatever its code, the store failed (a full disk is
// RESOURCE_EXHAUSTED and yet no lack of memory). OK and CANCELLED stay as they are.
absl::Status StorageFailure(const absl::Status& status);

}  // namespace besa::worker
