#include "client/cli/exit_code.h"

#include "storage/base/error_info.h"

namespace besa::client {

const char kExitCodesHelp[] =
    "Exit status:\n"
    "  0    done; with --watch: the job succeeded\n"
    "  1    the watched job failed\n"
    "  2    wrong usage or an invalid argument\n"
    "  3    not found, or not possible in the present state\n"
    "  4    the coordinator could not be reached or could not answer\n"
    "  5    the watched job was cancelled\n"
    "  130  interrupted; the job goes on";

namespace {

bool NamesField(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  return info && info->metadata.count("field") > 0;
}

}  // namespace

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return kExitInvalid;
    case absl::StatusCode::kPermissionDenied:
      return NamesField(status) ? kExitInvalid : kExitRefused;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kUnauthenticated:
      return kExitRefused;
    case absl::StatusCode::kCancelled:
      return kExitCancelled;
    default:
      return kExitUnreachable;
  }
}

ExitCode ExitCodeOf(v1::JobState state) {
  switch (state) {
    case v1::JOB_STATE_SUCCEEDED:
      return kExitOk;
    case v1::JOB_STATE_CANCELLED:
      return kExitCancelled;
    default:
      return kExitJobFailed;
  }
}

}  // namespace besa::client
