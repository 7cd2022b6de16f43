// The two calls that look at a job's inputs before the scheduler is asked. They block on the object store.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "besa/v1/prune_service.pb.h"
#include "server/api/services.h"

namespace besa::server {

// A repeated request_id is answered before anything is validated: by then the output folder may well be filled.
// `trace_id`: of the call, may be empty.
absl::StatusOr<v1::Job> CreateJob(const ServiceContext& services, const v1::CreateJobRequest& request,
                                  const Coordinator::Caller& caller, const std::string& trace_id);

// FAILED_PRECONDITION with reason INPUT_CHANGED if an input is not what the prepare task saw.
absl::StatusOr<v1::Job> RetryJob(const ServiceContext& services, const v1::RetryJobRequest& request,
                                 const Coordinator::Caller& caller);

}  // namespace besa::server
