// Which server a bucket lies on, and who we are there.
#pragma once

#include <compare>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "storage/object/environment.h"
#include "storage/object/store_config.h"

namespace besa::storage {

struct S3Keys {
  std::string access_key;
  std::string secret_key;
  std::string session_token;

  auto operator<=>(const S3Keys&) const = default;
};

// Equal settings share connections, and copies between their buckets stay on the server.
struct S3Settings {
  // "https://host[:port]" or "http://..."; empty for Amazon's own.
  std::string endpoint;
  // Empty: asked from Amazon, by bucket.
  std::string region;
  // None: the SDK looks for them (AWS_PROFILE, web identity, container, instance).
  std::optional<S3Keys> keys;
  // For messages: where the keys come from.
  std::string keys_from;

  auto operator<=>(const S3Settings&) const = default;
};

// What holds for `bucket`, first found first:
//   endpoint  config, its profile, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, Amazon
//   region    config, its profile, AWS_REGION, AWS_DEFAULT_REGION, "us-east-1" if there is an endpoint
//   keys      config, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), the SDK's chain
// Errors name the member of the config or the variable.
absl::StatusOr<S3Settings> ResolveS3Settings(const std::string& bucket, const StoreConfig& config,
                                             const Environment& environment);

}  // namespace besa::storage
