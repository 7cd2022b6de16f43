// Whether the inputs of a job are still what its prepare task saw.
#pragma once

#include "absl/status/status.h"
#include "besa/v1/task.pb.h"
#include "storage/object/object_store.h"

namespace besa::server {

// FAILED_PRECONDITION with reason INPUT_CHANGED, naming the first input that is gone or differs. An input whose size
// and entity tag are as they were counts as unchanged. Otherwise it is read and hashed, except for files of weights:
// their fingerprint covers the header alone, so another entity tag counts as a change.
absl::Status CheckInputsUnchanged(storage::ObjectStore& store, const v1::PrepareResult& prepare);

}  // namespace besa::server
