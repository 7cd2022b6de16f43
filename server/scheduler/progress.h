// How far a job has come, and its figures, from its tasks.
#pragma once

#include "absl/time/time.h"
#include "besa/v1/job.pb.h"

#include "server/state/rows.h"

namespace besa::server {

// The expected time to the end is that of the blocks that remain at the pace of those committed in this generation,
// less the time since the last of them.
v1::JobProgress ComputeProgress(const JobRows& rows, absl::Time now);

// Sums over the committed tasks.
v1::JobResult ComputeResult(const JobRows& rows);

}  // namespace besa::server
