// What a job would take, as people read it. Pure.
#pragma once

#include <string>

#include "besa/v1/prune_service.pb.h"

namespace besa::client {

// The job, then time, memory and bytes in all, by stage and by part, and what the figures rest on. Lines.
std::string DescribeEstimate(const v1::EstimateJobResponse& estimate);

}  // namespace besa::client
