// The logs of a job as people read them. Pure.
#pragma once

#include <string>

#include "besa/v1/prune_service.pb.h"

namespace besa::client {

// The last lines of every attempt that has any, each under a heading that says what it was: those that failed or were
// lost first, the latest of them first; then those that run; then the others in the order of the tasks. With
// `failed_only` only the first.
std::string DescribeLogs(const v1::ListTasksResponse& tasks, bool failed_only);

}  // namespace besa::client
