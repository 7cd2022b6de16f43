// The blocks that others have committed, as an assignment names them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "besa/v1/worker_service.pb.h"
#include "storage/checkpoint/checkpoint.h"
#include "storage/object/object_store.h"

namespace besa::worker {

// The checkpoint with its first `blocks` blocks as they were committed. INTERNAL if the assignment does not name just
// those, in order; what is wrong with their files is the store's failure.
absl::StatusOr<storage::OverlaySource> OpenCommitted(storage::ObjectStore& store, const storage::Checkpoint& checkpoint,
                                                     const v1::Assignment& assignment, int64_t blocks);

// What tells the content of each from any other: the hashes of its weight files.
std::vector<std::string> CommittedIdentities(const v1::Assignment& assignment);

}  // namespace besa::worker
