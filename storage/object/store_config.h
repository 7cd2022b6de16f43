// Where buckets lie, for those that the environment alone does not explain: the file of --store-config.
//
//   {"buckets": {"models": {"endpoint": "https://s3.example.com", "region": "eu-west-1", "profile": "models"},
//                "results": {"endpoint": "http://10.0.0.7:9000",
//                            "access_key_env": "RESULTS_KEY", "secret_key_env": "RESULTS_SECRET"}}}
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace besa::storage {

// What is empty comes from the environment.
struct BucketConfig {
  // "https://host[:port]", or "http://..." for a server without encryption.
  std::string endpoint;
  std::string region;
  // A profile of ~/.aws/credentials or ~/.aws/config.
  std::string profile;
  // Names of environment variables that hold the keys; the file itself holds no secrets.
  std::string access_key_env;
  std::string secret_key_env;
  std::string session_token_env;

  bool operator==(const BucketConfig&) const = default;
};

struct StoreConfig {
  // By bucket.
  std::map<std::string, BucketConfig> buckets;
};

// INVALID_ARGUMENT naming the member ("buckets.models.endpoint") and its value. `origin` names the text in errors.
absl::StatusOr<StoreConfig> ParseStoreConfig(absl::string_view text, absl::string_view origin);

// Reads and parses a local file.
absl::StatusOr<StoreConfig> ReadStoreConfig(const std::string& path);

}  // namespace besa::storage
