// EstimateJob: checks the request as CreateJob does, finds out what is known of the device, and estimates. Stores
// nothing, starts nothing.
#pragma once

#include "absl/status/statusor.h"
#include "besa/v1/prune_service.pb.h"
#include "server/hooks/endpoints.h"
#include "server/scheduler/coordinator.h"
#include "storage/object/object_store.h"

namespace besa::server {

// Errors beside those of ValidateCreateJob: INVALID_ARGUMENT for a number of workers below 0; FAILED_PRECONDITION with
// reason DEVICE_UNKNOWN, naming device_kind, if no worker is connected and none is named, or if nothing is known of the
// device: no block was pruned on it, and the documentation has no figures of its kind.
absl::StatusOr<v1::EstimateJobResponse> EstimateJob(const v1::EstimateJobRequest& request, Coordinator& coordinator,
                                                    storage::ObjectStore& store, const storage::Uri& workspace,
                                                    const Endpoints& hooks);

}  // namespace besa::server
