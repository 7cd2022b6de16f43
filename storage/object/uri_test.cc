#include "storage/object/uri.h"

#include <string>

#include "gtest/gtest.h"
#include "storage/base/error_info.h"

namespace besa::storage {
namespace {

std::string Normal(absl::string_view text) {
  const auto uri = Uri::Parse(text);
  return uri.ok() ? uri->ToString() : uri.status().ToString();
}

TEST(UriTest, PathsAndFileUrisAreTheSame) {
  EXPECT_EQ(Normal("/models/llama"), "file:///models/llama");
  EXPECT_EQ(Normal("file:///models/llama"), "file:///models/llama");
  EXPECT_EQ(*Uri::Parse("/models"), *Uri::Parse("file:///models"));
}

TEST(UriTest, SlashesAreNormalised) {
  EXPECT_EQ(Normal("//models///llama//"), "file:///models/llama");
  EXPECT_EQ(Normal("s3://bucket//key/"), "s3://bucket/key");
  EXPECT_EQ(Normal("s3://bucket/"), "s3://bucket");
  EXPECT_EQ(Normal("/"), "file:///");
}

TEST(UriTest, CanonicalTextParsesToAnEqualValue) {
  for (const std::string text : {"/a b/%20/#?", "s3://bucket/k", "/", "/gr\xC3\xBC\xC3\x9F"}) {
    const auto uri = Uri::Parse(text);
    ASSERT_TRUE(uri.ok()) << text;
    EXPECT_EQ(*Uri::Parse(uri->ToString()), *uri);
  }
}

TEST(UriTest, PartsAreWhatArrowTakes) {
  const auto file = Uri::Parse("/models/llama/config.json");
  EXPECT_EQ(file->scheme(), "file");
  EXPECT_EQ(file->path(), "/models/llama/config.json");
  EXPECT_EQ(file->name(), "config.json");
  const auto s3 = Uri::Parse("s3://bucket/llama");
  EXPECT_EQ(s3->scheme(), "s3");
  EXPECT_EQ(s3->path(), "bucket/llama");
  EXPECT_EQ(s3->name(), "llama");
  EXPECT_EQ(Uri::Parse("s3://bucket")->name(), "bucket");
}

TEST(UriTest, RefusesWhatIsNotAnAddress) {
  for (const std::string text :
       {"", "models", "./models", "../models", "/models/../etc", "/models/./x", "s3://", "s3:///key", "s3://b/../k",
        "s3://..", "gs://bucket/key", "http://host/x", "file://host/path", "file:", "/a\nb", "/a\x7F", "/\xFF"}) {
    const auto uri = Uri::Parse(text, "model_uri");
    EXPECT_EQ(uri.status().code(), absl::StatusCode::kInvalidArgument) << text;
    const auto info = GetErrorInfo(uri.status());
    ASSERT_TRUE(info.has_value()) << text;
    EXPECT_EQ(info->metadata.at("field"), "model_uri");
  }
  EXPECT_FALSE(Uri::Parse(absl::string_view("/a\0b", 4)).ok());
}

TEST(UriTest, JoinAppendsSegments) {
  EXPECT_EQ(Uri::Parse("/out")->Join("a/b.txt").ToString(), "file:///out/a/b.txt");
  EXPECT_EQ(Uri::Parse("/")->Join("a").ToString(), "file:///a");
  EXPECT_EQ(Uri::Parse("s3://bucket")->Join("a").ToString(), "s3://bucket/a");
}

TEST(UriTest, JoinUntrustedRefusesToClimb) {
  const auto folder = Uri::Parse("/out");
  EXPECT_TRUE(folder->JoinUntrusted("a/..b/c..", "file").ok());
  for (const std::string bad : {"", "/a", "a/", "..", "a/../../b", ".", "a//b", "a\nb", "\xFF"}) {
    EXPECT_EQ(folder->JoinUntrusted(bad, "file").status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_DEATH(folder->Join("../x"), "relative");
}

TEST(UriTest, IsWithinGoesByWholeSegments) {
  const Uri folder = *Uri::Parse("/data/models");
  EXPECT_TRUE(folder.IsWithin(folder));
  EXPECT_TRUE(Uri::Parse("/data/models/a")->IsWithin(folder));
  EXPECT_FALSE(Uri::Parse("/data/models2/a")->IsWithin(folder));
  EXPECT_FALSE(Uri::Parse("/data")->IsWithin(folder));
  EXPECT_FALSE(Uri::Parse("s3://data/models/a")->IsWithin(folder));
  EXPECT_TRUE(folder.IsWithin(*Uri::Parse("/")));
}

}  // namespace
}  // namespace besa::storage
