#include "storage/object/s3_settings.h"

#include <fstream>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/error_info.h"
#include "storage/object/temporary_folder.h"

namespace besa::storage {
namespace {

using ::testing::HasSubstr;

Environment Variables(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
}

TEST(S3SettingsTest, WithoutAnythingItIsAmazonAndItsSdkLooksForKeys) {
  const auto settings = ResolveS3Settings("models", {}, Variables({}));
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->endpoint, "");
  EXPECT_EQ(settings->region, "");
  EXPECT_FALSE(settings->keys.has_value());
}

TEST(S3SettingsTest, TheEnvironmentHoldsForEveryBucket) {
  const auto settings = ResolveS3Settings("models", {},
                                          Variables({{"AWS_ACCESS_KEY_ID", "key"},
                                                     {"AWS_SECRET_ACCESS_KEY", "secret"},
                                                     {"AWS_SESSION_TOKEN", "token"},
                                                     {"AWS_DEFAULT_REGION", "eu-west-1"},
                                                     {"AWS_ENDPOINT_URL", "http://127.0.0.1:7070/"}}));
  EXPECT_EQ(settings->endpoint, "http://127.0.0.1:7070");
  EXPECT_EQ(settings->region, "eu-west-1");
  EXPECT_EQ(*settings->keys, (S3Keys{"key", "secret", "token"}));
}

TEST(S3SettingsTest, TheMoreSpecialVariableCounts) {
  const auto settings = ResolveS3Settings("models", {},
                                          Variables({{"AWS_ENDPOINT_URL", "http://general"},
                                                     {"AWS_ENDPOINT_URL_S3", "http://special"},
                                                     {"AWS_DEFAULT_REGION", "default"},
                                                     {"AWS_REGION", "region"}}));
  EXPECT_EQ(settings->endpoint, "http://special");
  EXPECT_EQ(settings->region, "region");
}

TEST(S3SettingsTest, ABucketsOwnSettingsComeFirst) {
  const StoreConfig config{
      .buckets = {
          {"results",
           {.endpoint = "http://10.0.0.7:9000", .access_key_env = "RESULTS_KEY", .secret_key_env = "RESULTS_SECRET"}}}};
  const Environment environment = Variables({{"AWS_ACCESS_KEY_ID", "key"},
                                             {"AWS_SECRET_ACCESS_KEY", "secret"},
                                             {"AWS_ENDPOINT_URL", "http://general"},
                                             {"RESULTS_KEY", "other key"},
                                             {"RESULTS_SECRET", "other secret"}});
  EXPECT_EQ(*ResolveS3Settings("results", config, environment)->keys, (S3Keys{"other key", "other secret", ""}));
  EXPECT_EQ(ResolveS3Settings("results", config, environment)->endpoint, "http://10.0.0.7:9000");
  EXPECT_EQ(ResolveS3Settings("results", config, environment)->region, "us-east-1");
  EXPECT_EQ(ResolveS3Settings("models", config, environment)->keys->access_key, "key");
  EXPECT_EQ(ResolveS3Settings("models", config, environment)->endpoint, "http://general");
}

TEST(S3SettingsTest, ProfilesComeFromBothOfTheirFiles) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "credentials") << "[default]\naws_access_key_id = wrong\n\n[team]\n"
                                                  "aws_access_key_id = key\naws_secret_access_key=se=cret\n";
  std::ofstream(folder.path() / "config") << "# comment\n[profile team]\nregion = eu-north-1\n"
                                             "s3 =\n  region = nested\nendpoint_url = https://s3.example.com\n";
  const Environment environment = Variables({{"AWS_SHARED_CREDENTIALS_FILE", (folder.path() / "credentials").string()},
                                             {"AWS_CONFIG_FILE", (folder.path() / "config").string()}});
  const auto settings = ResolveS3Settings("m", {.buckets = {{"m", {.profile = "team"}}}}, environment);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(*settings->keys, (S3Keys{"key", "se=cret", ""}));
  EXPECT_EQ(settings->region, "eu-north-1");
  EXPECT_EQ(settings->endpoint, "https://s3.example.com");

  const absl::Status missing =
      ResolveS3Settings("m", {.buckets = {{"m", {.profile = "nobody"}}}}, environment).status();
  EXPECT_EQ(GetErrorInfo(missing)->metadata.at("field"), "buckets.m.profile");
  EXPECT_THAT(std::string(missing.message()), HasSubstr((folder.path() / "credentials").string()));
}

TEST(S3SettingsTest, NamesWhatIsMissingOrMalformed) {
  const StoreConfig config{.buckets = {{"m", {.access_key_env = "NO_KEY", .secret_key_env = "NO_SECRET"}}}};
  const absl::Status unset = ResolveS3Settings("m", config, Variables({})).status();
  EXPECT_EQ(GetErrorInfo(unset)->metadata.at("field"), "buckets.m.access_key_env");
  EXPECT_EQ(GetErrorInfo(unset)->metadata.at("value"), "NO_KEY");
  const absl::Status malformed = ResolveS3Settings("m", {}, Variables({{"AWS_ENDPOINT_URL", "host:80"}})).status();
  EXPECT_EQ(GetErrorInfo(malformed)->metadata.at("field"), "AWS_ENDPOINT_URL");
}

}  // namespace
}  // namespace besa::storage
