// Jobs, tasks and workers as people read them. Pure.
#pragma once

#include <string>
#include <vector>

#include "besa/v1/fleet_service.pb.h"
#include "besa/v1/prune_service.pb.h"

namespace besa::client {

// Everything about one job; of one that was only validated, what it would be. Lines.
std::string DescribeJob(const v1::Job& job);

// One line a job, with a heading.
std::string JobTable(const v1::ListJobsResponse& jobs);
// One line a task, with a heading.
std::string TaskTable(const v1::ListTasksResponse& tasks);
// Loss of every step of a block, those of the allocation before those of recovery.
std::vector<float> StepLosses(const v1::BlockResult& block);
// One line a worker, with a heading.
std::string WorkerTable(const v1::ListWorkersResponse& workers);
std::string AuditTable(const v1::ListAuditEntriesResponse& entries);

// The end of a job that SUCCEEDED: perplexity, sparsity, seconds a stage. The last line is "output: <folder>".
std::string DescribeResult(const v1::Job& job);
// The end of a job that FAILED: what, why, where, and the last lines logged.
std::string DescribeFailure(const v1::Job& job);

}  // namespace besa::client
