// The fields of a job that don't determine its output.
#pragma once

#include "absl/status/status.h"
#include "besa/v1/job.pb.h"
#include "server/hooks/endpoints.h"

namespace besa::server {

// INVALID_ARGUMENT naming the field: priority, owner, labels, time_limit, completion_hook; PERMISSION_DENIED for a hook
// that is none of `hooks`.
absl::Status CheckJobFields(const v1::Job& job, const Endpoints& hooks);

}  // namespace besa::server
