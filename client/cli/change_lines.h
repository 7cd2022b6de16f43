// What changed in a watched job, told in lines: for logs, and above the bars on a terminal. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/watch_state.h"
#include "client/job_view.h"

namespace besa::client {

struct ChangeLine {
  std::string text;
  // Something went wrong: worth a line even where bars show the rest.
  bool attention = false;
};

// The difference between two states of the same job. From an empty state: what the job is and how far it has come.
std::vector<ChangeLine> DescribeChanges(const JobView& before, const JobView& after);

// Where the job stands between changes: blocks, and stage and step of each running task.
std::string ProgressLine(const WatchState& state, absl::Time now);

}  // namespace besa::client
