#include "storage/object/open_store.h"

#include <map>
#include <stop_token>
#include <utility>

#include "storage/base/clock.h"
#include "storage/base/error_info.h"
#include "storage/base/random.h"
#include "storage/base/sleeper.h"
#include "storage/base/status_macros.h"
#include "storage/object/confined_store.h"
#include "storage/object/folder_store.h"
#include "storage/object/local_files.h"
#include "storage/object/retrying_store.h"
#include "storage/object/routing_store.h"
#include "storage/object/s3_settings.h"
#include "storage/object/s3_store.h"
#include "storage/object/store_config.h"

namespace besa::storage {
namespace {

double SystemUniform() { return UnitInterval(SystemRandom()()); }

void Sleep(absl::Duration pause) { Sleeper::Real().Sleep(pause, std::stop_token()); }

std::string BucketOf(const Uri& uri) { return uri.path().substr(0, uri.path().find('/')); }

absl::StatusOr<std::unique_ptr<ObjectStore>> OpenS3(const StoreOptions& options, StoreConfig config,
                                                    std::vector<Uri> prefixes) {
  auto settings_of = [config = std::move(config), environment = options.environment](const std::string& bucket) {
    return ResolveS3Settings(bucket, config, environment);
  };
  // What is wrong with the settings shows now rather than in mid-job.
  for (const Uri& prefix : prefixes) RETURN_IF_ERROR(settings_of(BucketOf(prefix)).status());
  auto store = std::make_unique<S3Store>(std::move(settings_of),
                                         S3Retries{.uploads = options.retry_for, .uniform = &SystemUniform});
  auto retrying =
      std::make_unique<RetryingStore>(std::move(store), RetryOptions{.give_up_after = options.retry_for},
                                      RetryWorld{.clock = Clock::Real(), .sleep = &Sleep, .uniform = &SystemUniform});
  // There are no links on S3: an address is what it says.
  return std::make_unique<ConfinedStore>(std::move(retrying), std::move(prefixes),
                                         [](const Uri& uri) { return absl::StatusOr<Uri>(uri); });
}

}  // namespace

absl::StatusOr<std::unique_ptr<ObjectStore>> OpenStore(const StoreOptions& options) {
  if (options.allowed_prefixes.empty()) return FieldError("allowed_prefixes", "", "at least one folder");
  std::map<std::string, std::vector<Uri>> prefixes;
  for (const std::string& prefix : options.allowed_prefixes) {
    ASSIGN_OR_RETURN(Uri uri, Uri::Parse(prefix, "allowed_prefixes"));
    prefixes[uri.scheme()].push_back(std::move(uri));
  }
  StoreConfig config;
  if (!options.config_file.empty()) {
    ASSIGN_OR_RETURN(config, ReadStoreConfig(options.config_file));
  }
  std::map<std::string, std::unique_ptr<ObjectStore>> stores;
  if (prefixes.contains("file")) {
    stores["file"] = std::make_unique<ConfinedStore>(std::make_unique<FolderStore>(SystemRandom()),
                                                     std::move(prefixes["file"]), &FollowLocalLinks);
  }
  if (prefixes.contains("s3")) {
    ASSIGN_OR_RETURN(stores["s3"], OpenS3(options, std::move(config), std::move(prefixes["s3"])));
  }
  return std::make_unique<RoutingStore>(std::move(stores));
}

}  // namespace besa::storage
