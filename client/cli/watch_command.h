// Watching a job from the command line, to its end or until Ctrl-C.
#pragma once

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/cli/context.h"

namespace besa::client {

// Shows job `name` until it ends, then its result. Ctrl-C detaches and leaves the job alone. Returns the exit status.
int WatchJob(const Context& context, absl::string_view name, absl::Duration give_up_after);

}  // namespace besa::client
