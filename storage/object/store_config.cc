#include "storage/object/store_config.h"

#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::storage {
namespace {

using Json = nlohmann::json;

struct Member {
  const char* name;
  std::string BucketConfig::* field;
};

constexpr Member kMembers[] = {
    {"endpoint", &BucketConfig::endpoint},
    {"region", &BucketConfig::region},
    {"profile", &BucketConfig::profile},
    {"access_key_env", &BucketConfig::access_key_env},
    {"secret_key_env", &BucketConfig::secret_key_env},
    {"session_token_env", &BucketConfig::session_token_env},
};

absl::Status CheckBucket(const BucketConfig& bucket, const std::string& where) {
  absl::string_view host = bucket.endpoint;
  const bool scheme = absl::ConsumePrefix(&host, "https://") || absl::ConsumePrefix(&host, "http://");
  if (!bucket.endpoint.empty() && (!scheme || host.empty() || absl::StrContains(host, "/"))) {
    return FieldError(where + ".endpoint", bucket.endpoint, "https://host[:port] or http://host[:port]");
  }
  if (bucket.access_key_env.empty() != bucket.secret_key_env.empty()) {
    return FieldError(where, "one of access_key_env and secret_key_env", "both or neither");
  }
  if (!bucket.profile.empty() && !bucket.access_key_env.empty()) {
    return FieldError(where, "profile and access_key_env", "one of them");
  }
  return absl::OkStatus();
}

absl::StatusOr<BucketConfig> ParseBucket(const Json& json, const std::string& where) {
  if (!json.is_object()) return FieldError(where, json.dump(), "an object");
  BucketConfig bucket;
  for (const auto& [name, value] : json.items()) {
    const Member* known = nullptr;
    for (const Member& member : kMembers) {
      if (name == member.name) known = &member;
    }
    const std::string field = absl::StrCat(where, ".", name);
    if (known == nullptr) {
      return FieldError(field, value.dump(),
                        "one of the members endpoint, region, profile, access_key_env, secret_key_env and "
                        "session_token_env");
    }
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
      return FieldError(field, value.dump(), "a string that is not empty");
    }
    bucket.*known->field = value.get<std::string>();
  }
  RETURN_IF_ERROR(CheckBucket(bucket, where));
  return bucket;
}

}  // namespace

absl::StatusOr<StoreConfig> ParseStoreConfig(absl::string_view text, absl::string_view origin) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.size() != 1 || !json.contains("buckets") || !json["buckets"].is_object()) {
    return FieldError("--store-config", origin, "JSON with the one member \"buckets\": {\"<bucket>\": {...}}");
  }
  StoreConfig config;
  for (const auto& [name, value] : json["buckets"].items()) {
    if (name.empty() || absl::StrContains(name, "/")) {
      return FieldError("buckets", name, "the name of a bucket, without a slash");
    }
    ASSIGN_OR_RETURN(config.buckets[name], ParseBucket(value, absl::StrCat("buckets.", name)));
  }
  return config;
}

absl::StatusOr<StoreConfig> ReadStoreConfig(const std::string& path) {
  std::ifstream file(path);
  if (!file) return FieldError("--store-config", path, "a file that can be read");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return ParseStoreConfig(text, path);
}

}  // namespace besa::storage
