#include "storage/object/s3_settings.h"

#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/object/aws_profile.h"

namespace besa::storage {
namespace {

// An empty variable counts as not set, as it does for other S3 clients.
std::string Variable(const Environment& environment, const std::string& name) { return environment(name).value_or(""); }

std::string FirstOf(std::initializer_list<std::string> values) {
  for (const std::string& value : values) {
    if (!value.empty()) return value;
  }
  return "";
}

absl::StatusOr<std::string> Needed(const Environment& environment, const std::string& field, const std::string& name) {
  std::string value = Variable(environment, name);
  if (value.empty()) return FieldError(field, name, "the name of an environment variable that is set");
  return value;
}

absl::StatusOr<std::string> CheckedEndpoint(std::string endpoint) {
  while (absl::EndsWith(endpoint, "/")) endpoint.pop_back();
  absl::string_view host = endpoint;
  if (endpoint.empty() || absl::ConsumePrefix(&host, "https://") || absl::ConsumePrefix(&host, "http://")) {
    return endpoint;
  }
  return FieldError("AWS_ENDPOINT_URL", endpoint, "an address that begins with https:// or http://");
}

}  // namespace

absl::StatusOr<S3Settings> ResolveS3Settings(const std::string& bucket, const StoreConfig& config,
                                             const Environment& environment) {
  const auto found = config.buckets.find(bucket);
  const BucketConfig own = found == config.buckets.end() ? BucketConfig{} : found->second;
  const std::string where = absl::StrCat("buckets.", bucket);

  S3Settings settings;
  AwsProfile profile;
  if (!own.profile.empty()) {
    const auto read = ReadAwsProfile(own.profile, environment);
    if (!read.ok()) {
      return FieldError(where + ".profile", own.profile,
                        absl::StrCat("a profile with keys (", read.status().message(), ")"));
    }
    profile = *read;
    settings.keys = S3Keys{profile.access_key, profile.secret_key, profile.session_token};
    settings.keys_from = absl::StrCat("profile ", own.profile);
  } else if (!own.access_key_env.empty()) {
    S3Keys keys;
    ASSIGN_OR_RETURN(keys.access_key, Needed(environment, where + ".access_key_env", own.access_key_env));
    ASSIGN_OR_RETURN(keys.secret_key, Needed(environment, where + ".secret_key_env", own.secret_key_env));
    if (!own.session_token_env.empty()) {
      ASSIGN_OR_RETURN(keys.session_token, Needed(environment, where + ".session_token_env", own.session_token_env));
    }
    settings.keys = std::move(keys);
    settings.keys_from = absl::StrCat(own.access_key_env, " and ", own.secret_key_env);
  } else if (!Variable(environment, "AWS_ACCESS_KEY_ID").empty() &&
             !Variable(environment, "AWS_SECRET_ACCESS_KEY").empty()) {
    settings.keys = S3Keys{Variable(environment, "AWS_ACCESS_KEY_ID"), Variable(environment, "AWS_SECRET_ACCESS_KEY"),
                           Variable(environment, "AWS_SESSION_TOKEN")};
    settings.keys_from = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
  } else {
    settings.keys_from = "AWS_PROFILE, web identity, container or instance";
  }

  ASSIGN_OR_RETURN(settings.endpoint, CheckedEndpoint(FirstOf({own.endpoint, profile.endpoint_url,
                                                               Variable(environment, "AWS_ENDPOINT_URL_S3"),
                                                               Variable(environment, "AWS_ENDPOINT_URL")})));
  settings.region =
      FirstOf({own.region, profile.region, Variable(environment, "AWS_REGION"),
               Variable(environment, "AWS_DEFAULT_REGION"), settings.endpoint.empty() ? "" : "us-east-1"});
  return settings;
}

}  // namespace besa::storage
