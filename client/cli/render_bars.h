// The live picture of a watched job on a terminal. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/watch_state.h"

namespace besa::client {

// Lines of at most `width` characters: the job, a bar over its blocks, a bar for each running task, and why nothing
// happens if nothing does.
std::vector<std::string> RenderBars(const WatchState& state, absl::Time now, int width);

}  // namespace besa::client
