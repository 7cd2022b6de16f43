#include "server/hooks/endpoints.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/error_info.h"

namespace besa::server {
namespace {

using ::testing::HasSubstr;

Endpoints Allowing(const std::vector<std::string>& prefixes) {
  auto endpoints = Endpoints::Allow(prefixes);
  EXPECT_TRUE(endpoints.ok()) << endpoints.status();
  return *std::move(endpoints);
}

TEST(Endpoints, WhatLiesWithinAPrefixIsAllowed) {
  const Endpoints endpoints = Allowing({"https://hooks.example.com/besa", "http://10.0.0.7:8080"});
  for (const char* uri : {
           "https://hooks.example.com/besa",
           "https://hooks.example.com/besa/",
           "https://hooks.example.com/besa/jobs/7?team=nlp&x=..",
           "https://hooks.example.com/besa?key=1",
           "https://HOOKS.example.com:443/besa",
           "HTTPS://hooks.example.com/besa",
           "http://10.0.0.7:8080/anything/at/all",
           "http://10.0.0.7:8080",
       }) {
    EXPECT_TRUE(endpoints.Check(uri).ok()) << endpoints.Check(uri).status();
  }
  EXPECT_EQ(*endpoints.Check("http://10.0.0.7:8080"), "http://10.0.0.7:8080/");
}

TEST(Endpoints, EverythingElseIsNot) {
  const Endpoints endpoints = Allowing({"https://hooks.example.com/besa"});
  for (const char* uri : {
           "http://hooks.example.com/besa",
           "https://hooks.example.com:8443/besa",
           "https://hooks.example.com/besant",
           "https://hooks.example.com/",
           "https://hooks.example.com.evil.org/besa",
           "https://evil.org/hooks.example.com/besa",
           "http://169.254.169.254/latest/meta-data",
       }) {
    const absl::Status status = endpoints.Check(uri).status();
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << uri << ": " << status;
    EXPECT_EQ(GetErrorInfo(status)->reason, "HOOK_NOT_ALLOWED");
    EXPECT_EQ(GetErrorInfo(status)->metadata.at("field"), "completion_hook.uri");
    EXPECT_THAT(std::string(status.message()), HasSubstr("https://hooks.example.com/besa"));
  }
}

TEST(Endpoints, WithoutAPrefixNothingIsAllowed) {
  const absl::Status status = Endpoints().Check("https://hooks.example.com/besa").status();
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("started without --allow-hook"));
}

TEST(Endpoints, WhatIsNoPlainAddressIsRefusedWhateverIsAllowed) {
  const Endpoints endpoints = Allowing({"https://hooks.example.com"});
  for (const std::string& uri : {
           std::string(""),
           std::string("hooks.example.com"),
           std::string("ftp://hooks.example.com/"),
           std::string("file:///etc/passwd"),
           std::string("https://"),
           std::string("https://user:secret@hooks.example.com/"),
           std::string("https://hooks.example.com@evil.org/"),
           std::string("https://hooks.example.com/#part"),
           std::string("https://hooks.example.com/a/../b"),
           std::string("https://hooks.example.com/a/%2E%2e/b"),
           std::string("https://hooks.example.com/a/..%2fb"),
           std::string("https://hooks.example.com\\@evil.org/"),
           std::string("https://hooks.example.com/a b"),
           std::string("https://hooks.example.com/\r\nx: y"),
           std::string("https://hooks.example.com/\xc3\xa4"),
           std::string("https://hooks.example.com:99999/"),
           "https://hooks.example.com/" + std::string(2000, 'x'),
       }) {
    const absl::Status status = endpoints.Check(uri).status();
    ASSERT_TRUE(absl::IsInvalidArgument(status)) << uri << ": " << status;
    EXPECT_EQ(GetErrorInfo(status)->metadata.at("field"), "completion_hook.uri");
  }
}

TEST(Endpoints, APrefixMustBeAnAddress) {
  for (const char* prefix : {"hooks.example.com", "https://a.example?x=1", "s3://bucket", ""}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Endpoints::Allow({prefix}).status())) << prefix;
  }
  EXPECT_TRUE(Endpoints::Allow({})->empty());
}

}  // namespace
}  // namespace besa::server
