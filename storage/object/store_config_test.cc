#include "storage/object/store_config.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/error_info.h"

namespace besa::storage {
namespace {

using ::testing::HasSubstr;

TEST(StoreConfigTest, SaysWhereBucketsLie) {
  const auto config = ParseStoreConfig(R"({"buckets": {
      "models": {"endpoint": "https://s3.example.com", "region": "eu-west-1", "profile": "team"},
      "results": {"endpoint": "http://10.0.0.7:9000", "access_key_env": "KEY", "secret_key_env": "SECRET"}}})",
                                       "stores.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->buckets.at("models"),
            (BucketConfig{.endpoint = "https://s3.example.com", .region = "eu-west-1", .profile = "team"}));
  EXPECT_EQ(config->buckets.at("results").access_key_env, "KEY");
}

struct Refused {
  const char* text;
  const char* field;
  const char* value;
};

class StoreConfigRefusalTest : public testing::TestWithParam<Refused> {};

TEST_P(StoreConfigRefusalTest, NamesTheMemberAndItsValue) {
  const absl::Status status = ParseStoreConfig(GetParam().text, "stores.json").status();
  ASSERT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(GetErrorInfo(status)->metadata.at("field"), GetParam().field);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().value));
}

INSTANTIATE_TEST_SUITE_P(
    Texts, StoreConfigRefusalTest,
    testing::Values(Refused{"", "--store-config", "stores.json"}, Refused{"[]", "--store-config", "stores.json"},
                    Refused{R"({"bucket": {}})", "--store-config", "buckets"},
                    Refused{R"({"buckets": {"a/b": {}}})", "buckets", "a/b"},
                    Refused{R"({"buckets": {"m": 3}})", "buckets.m", "3"},
                    Refused{R"({"buckets": {"m": {"regoin": "x"}}})", "buckets.m.regoin", "region"},
                    Refused{R"({"buckets": {"m": {"region": 3}}})", "buckets.m.region", "3"},
                    Refused{R"({"buckets": {"m": {"endpoint": "host:9000"}}})", "buckets.m.endpoint", "host:9000"},
                    Refused{R"({"buckets": {"m": {"endpoint": "http://host/path"}}})", "buckets.m.endpoint",
                            "http://host/path"},
                    Refused{R"({"buckets": {"m": {"access_key_env": "A"}}})", "buckets.m", "both or neither"},
                    Refused{R"({"buckets": {"m": {"profile": "p", "access_key_env": "A", "secret_key_env": "B"}}})",
                            "buckets.m", "one of them"}));

TEST(StoreConfigTest, AFileThatIsNotThereIsNamed) {
  const absl::Status status = ReadStoreConfig("/nowhere/stores.json").status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("--store-config: /nowhere/stores.json"));
}

}  // namespace
}  // namespace besa::storage
