// Stored activations, as sweeps write them and blocks read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "besa/v1/worker_service.pb.h"
#include "storage/object/object_store.h"
#include "worker/pruner/pruner.h"

namespace besa::worker {

// "boundary-00010.safetensors": what a share of the windows is in front of block 10, tensor "activations".
std::string BoundaryFile(int64_t block);

// What the assignment names, to be read when it is needed; nullopt if it names nothing. `store` must outlive it. Reads
// that fail are logged: the engine then walks.
std::optional<pruner::StoredActivations> StoredBefore(storage::ObjectStore& store, const v1::Assignment& assignment);

}  // namespace besa::worker
