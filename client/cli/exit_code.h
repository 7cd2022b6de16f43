// What the program's exit status tells a script.
#pragma once

#include "absl/status/status.h"
#include "besa/v1/job.pb.h"

namespace besa::client {

enum ExitCode : int {
  // Done; of a watched job: SUCCEEDED.
  kExitOk = 0,
  // The watched job FAILED.
  kExitJobFailed = 1,
  // Wrong usage, or an argument that cannot be used; a path that the coordinator does not allow is one.
  kExitInvalid = 2,
  // There is no such thing, or it is not in a state that allows this, or it may not be done by this caller.
  kExitRefused = 3,
  // No coordinator answered, or it failed to.
  kExitUnreachable = 4,
  // The watched job was CANCELLED.
  kExitCancelled = 5,
  // Interrupted; the job goes on.
  kExitInterrupted = 130,
};

// The table above, for --help.
extern const char kExitCodesHelp[];

// Of a call that ended with `status`.
ExitCode ExitCodeOf(const absl::Status& status);

// Of a watch that ended with the job in `state`, a final one.
ExitCode ExitCodeOf(v1::JobState state);

}  // namespace besa::client
