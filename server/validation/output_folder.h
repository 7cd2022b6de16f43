// The folder a job writes to.
#pragma once

#include "absl/status/status.h"
#include "storage/object/object_store.h"

namespace besa::server {

// Checks that a job that reads `model` may write to `output`: neither folder lies in the other, `output` is empty or
// does not exist, and a file can be opened for writing there (nothing is left behind but, in a file system, the
// folder). INVALID_ARGUMENT; FAILED_PRECONDITION with reason OUTPUT_NOT_EMPTY; PERMISSION_DENIED.
absl::Status CheckOutputFolder(storage::ObjectStore& store, const storage::Uri& model, const storage::Uri& output);

}  // namespace besa::server
