#include "storage/object/open_store.h"

#include <map>
#include <mutex>
#include <random>
#include <utility>

#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/object/confined_store.h"
#include "storage/object/folder_store.h"
#include "storage/object/local_files.h"
#include "storage/object/routing_store.h"

namespace besa::storage {
namespace {

// From the system, so that no two processes that write into one folder share a name.
uint64_t SystemRandom() {
  static std::mutex mutex;
  static std::random_device device;
  const std::lock_guard lock(mutex);
  return (uint64_t{device()} << 32) | device();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ObjectStore>> OpenStore(const StoreOptions& options) {
  if (options.allowed_prefixes.empty()) return FieldError("allowed_prefixes", "", "at least one folder");
  std::vector<Uri> folders;
  for (const std::string& prefix : options.allowed_prefixes) {
    ASSIGN_OR_RETURN(Uri uri, Uri::Parse(prefix, "allowed_prefixes"));
    if (uri.scheme() != "file") {
      return FieldError("allowed_prefixes", prefix, "a file path; this build has no " + uri.scheme() + " store");
    }
    folders.push_back(std::move(uri));
  }
  std::map<std::string, std::unique_ptr<ObjectStore>> stores;
  stores["file"] = std::make_unique<ConfinedStore>(std::make_unique<FolderStore>(&SystemRandom), std::move(folders),
                                                   &FollowLocalLinks);
  return std::make_unique<RoutingStore>(std::move(stores));
}

}  // namespace besa::storage
