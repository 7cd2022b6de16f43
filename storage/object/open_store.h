// The one place where object stores are put together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/object/object_store.h"

namespace besa::storage {

struct StoreOptions {
  // Addresses outside these folders are PERMISSION_DENIED with reason PATH_NOT_ALLOWED, whatever is asked of them.
  // Symbolic links that lead out of them are followed to their target and refused likewise. At least one.
  std::vector<std::string> allowed_prefixes;
};

// Local files and, by scheme, other stores, confined to the allowed prefixes.
absl::StatusOr<std::unique_ptr<ObjectStore>> OpenStore(const StoreOptions& options);

}  // namespace besa::storage
