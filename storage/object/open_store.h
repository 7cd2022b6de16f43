// The one place where object stores are put together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "storage/object/environment.h"
#include "storage/object/object_store.h"

namespace besa::storage {

struct StoreOptions {
  // Addresses outside these folders are PERMISSION_DENIED with reason PATH_NOT_ALLOWED, whatever is asked of them.
  // Symbolic links that lead out of them are followed to their target and refused likewise. At least one.
  std::vector<std::string> allowed_prefixes = {};
  // A file that says where buckets lie (store_config.h); empty: what the environment says holds for all.
  std::string config_file = {};
  Environment environment = &ProcessEnvironment;
  // Operations on S3 that fail with UNAVAILABLE are tried again for that long.
  absl::Duration retry_for = absl::Minutes(1);
};

// Local files and, if a prefix names a bucket, S3, confined to the allowed prefixes. INVALID_ARGUMENT, naming the field
// and its value, for prefixes, configuration and environment that cannot be used. Does not talk to S3 yet.
absl::StatusOr<std::unique_ptr<ObjectStore>> OpenStore(const StoreOptions& options);

}  // namespace besa::storage
