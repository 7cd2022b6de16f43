// Whether a job can be accepted, and what it then is: everything that can be checked without reading weights.
#pragma once

#include "absl/status/statusor.h"
#include "besa/v1/job.pb.h"
#include "besa/v1/prune_service.pb.h"
#include "server/hooks/endpoints.h"
#include "storage/checkpoint/checkpoint.h"
#include "storage/object/object_store.h"

namespace besa::server {

// An accepted request. What the scheduler plans by: model.blocks() prune tasks; evaluations if the spec has one.
struct ValidatedJob {
  // Every default filled in, addresses normalised.
  v1::JobSpec spec;
  v1::ModelSummary model;
  // As its headers have it.
  storage::Checkpoint checkpoint;
};

// Checks `request` against the checkpoint and files it names. Reads headers and small files only and leaves nothing
// behind (see CheckOutputFolder), so it may be repeated. The first problem found is returned; cheap checks come first.
// Errors name the field as its path within the spec: "calibration.samples". `workspace` is the service's own folder,
// where no output may lie; `hooks` says which completion hooks it may have. Thread-safe.
absl::StatusOr<ValidatedJob> ValidateCreateJob(const v1::CreateJobRequest& request, storage::ObjectStore& store,
                                               const storage::Uri& workspace, const Endpoints& hooks);

}  // namespace besa::server
