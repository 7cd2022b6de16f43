// The filter of ListJobs: the part of AIP-160 that jobs can be filtered by.
//
//   filter    = [ condition { "AND" condition } ]
//   condition = "state" ("=" | "!=") JobState without its prefix        state = PRUNING
//             | "display_name" ("=" | "!=") (word | quoted string)      display_name != "nightly run"
//             | "owner" ("=" | "!=") (word | quoted string)             owner = ada
//             | "labels." key ("=" | "!=") (word | quoted string)       labels.team = nlp
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "besa/v1/job.pb.h"

namespace besa::server {

struct JobCondition {
  enum class Field { kState, kDisplayName, kOwner, kLabel };
  Field field = Field::kState;
  // "=" or, if set, "!=".
  bool negated = false;
  // For kState.
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  // Of a label.
  std::string key;
  // For all but kState. A label that is not there counts as empty.
  std::string text;
};

// All conditions hold of the jobs that are listed. Empty: every job.
using JobFilter = std::vector<JobCondition>;

// INVALID_ARGUMENT, field "filter", saying what is wrong and what could stand there.
absl::StatusOr<JobFilter> ParseJobFilter(absl::string_view filter);

// Whether all conditions hold of the job.
bool Matches(const JobFilter& filter, const v1::Job& job);
// False only if some condition does not hold of jobs with that state and display name: spares reading the job.
bool MayMatch(const JobFilter& filter, v1::JobState state, absl::string_view display_name);

}  // namespace besa::server
