// Which job a free worker works for.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "server/state/state_store.h"

namespace besa::server {

// The ids of the jobs in the order in which they are asked for a task:
//   1. by priority, the highest first; nothing that runs is ever taken away for it,
//   2. by fair share: the job for which the fewest workers work,
//   3. the worker's own job, whose activations it holds (`held_job`, may be empty),
//   4. the oldest.
// A worker asks when its last task has ended, so its own job counts one worker less by then: in balance it stays where
// it is, and changes jobs only where another has two workers less.
std::vector<std::string> OrderJobs(std::vector<WorkRef> jobs, absl::string_view held_job);

}  // namespace besa::server
