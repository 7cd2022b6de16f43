// The fields of a job that don't determine its output.
#pragma once

#include "absl/status/status.h"
#include "besa/v1/job.pb.h"

namespace besa::server {

// INVALID_ARGUMENT naming the field: priority, owner, labels, time_limit.
absl::Status CheckJobFields(const v1::Job& job);

}  // namespace besa::server
