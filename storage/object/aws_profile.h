// Profiles of AWS's own configuration files, for buckets that use another one than the rest of the process.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "storage/object/environment.h"

namespace besa::storage {

struct AwsProfile {
  std::string access_key;
  std::string secret_key;
  std::string session_token;
  std::string region;
  std::string endpoint_url;
};

// Reads `name` from the files of AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE (~/.aws/credentials and ~/.aws/config
// by default). NOT_FOUND, naming the profile and both files, if neither has keys for it: profiles that get their keys
// elsewhere (single sign-on, roles) work through AWS_PROFILE for the whole process alone.
absl::StatusOr<AwsProfile> ReadAwsProfile(const std::string& name, const Environment& environment);

}  // namespace besa::storage
