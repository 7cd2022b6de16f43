// Confinement and routing, on the store that programs open.
#include "storage/object/open_store.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/error_info.h"
#include "storage/object/temporary_folder.h"

namespace besa::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class OpenStoreTest : public testing::Test {
 protected:
  OpenStoreTest() {
    fs::create_directory(root_.path() / "allowed");
    fs::create_directory(root_.path() / "secret");
    const auto everything = OpenStoreIn(root_);
    EXPECT_TRUE(WriteAll(*everything, root_ / "secret/file", "secret").ok());
    EXPECT_TRUE(WriteAll(*everything, root_ / "allowed/file", "public").ok());
  }

  void Link(const std::string& target, const std::string& link) {
    fs::create_symlink(root_.path() / target, root_.path() / link);
  }

  // Every operation on that address.
  std::vector<absl::Status> Everything(const Uri& uri) {
    std::byte byte;
    return {store_->Stat(uri).status(),
            store_->List(uri).status(),
            store_->ReadRange(uri, 0, {&byte, 1}),
            store_->OpenWriter(uri).status(),
            store_->CheckWritable(uri),
            store_->Copy(uri, root_ / "allowed/copy"),
            store_->Copy(root_ / "allowed/file", uri),
            store_->Share(uri, root_ / "allowed/copy"),
            store_->Share(root_ / "allowed/file", uri),
            store_->Delete(uri),
            store_->DeleteFolder(uri),
            store_->DeletePartialWrites(uri, absl::InfiniteFuture())};
  }

  void ExpectRefused(const Uri& uri) {
    for (const absl::Status& status : Everything(uri)) {
      EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
      const auto info = GetErrorInfo(status);
      ASSERT_TRUE(info.has_value()) << status;
      EXPECT_EQ(info->reason, "PATH_NOT_ALLOWED");
      EXPECT_EQ(info->metadata.at("uri"), uri.ToString());
    }
    EXPECT_TRUE(fs::exists(root_.path() / "secret/file"));
    EXPECT_FALSE(fs::exists(root_.path() / "allowed/copy"));
  }

  TemporaryFolder root_;
  std::unique_ptr<ObjectStore> store_ = *OpenStore({.allowed_prefixes = {(root_ / "allowed").ToString()}});
};

TEST_F(OpenStoreTest, AllowedFoldersWork) {
  EXPECT_EQ(*ReadAll(*store_, root_ / "allowed/file", 10), "public");
  EXPECT_TRUE(WriteAll(*store_, root_ / "allowed/a/b/c", "x").ok());
}

TEST_F(OpenStoreTest, RefusesWhatLiesOutside) {
  ExpectRefused(root_ / "secret/file");
  ExpectRefused(root_ / "secret");
  ExpectRefused(root_ / "secret/missing");
  ExpectRefused(root_ / "allowed2");
  ExpectRefused(root_.uri());
}

TEST_F(OpenStoreTest, RefusesLinksThatLeadOut) {
  Link("secret/file", "allowed/file_link");
  Link("secret", "allowed/folder_link");
  Link("allowed/folder_link", "allowed/link_to_link");
  Link("secret/not_yet", "allowed/dangling");
  ExpectRefused(root_ / "allowed/file_link");
  ExpectRefused(root_ / "allowed/folder_link");
  ExpectRefused(root_ / "allowed/folder_link/file");
  ExpectRefused(root_ / "allowed/folder_link/missing/deep");
  ExpectRefused(root_ / "allowed/link_to_link/file");
  ExpectRefused(root_ / "allowed/dangling");
  ExpectRefused(root_ / "allowed/dangling/below");
  // Nor do listings show them.
  const auto objects = store_->List(root_ / "allowed");
  ASSERT_EQ(objects->size(), 1u);
  EXPECT_EQ(objects->front().uri, root_ / "allowed/file");
}

TEST_F(OpenStoreTest, LinksThatStayInsideAreFollowed) {
  Link("allowed/file", "allowed/link");
  EXPECT_EQ(*ReadAll(*store_, root_ / "allowed/link", 10), "public");
}

TEST_F(OpenStoreTest, AnAllowedFolderMayBeReachedThroughALink) {
  Link("allowed", "alias");
  const auto store = OpenStore({.allowed_prefixes = {(root_ / "alias").ToString()}});
  EXPECT_EQ(*ReadAll(**store, root_ / "alias/file", 10), "public");
  EXPECT_TRUE(absl::IsPermissionDenied((*store)->Stat(root_ / "allowed/file").status()));
}

TEST_F(OpenStoreTest, AnAllowedFolderMayAppearLater) {
  const auto store = OpenStore({.allowed_prefixes = {(root_ / "later").ToString()}});
  EXPECT_TRUE(absl::IsNotFound((*store)->Stat(root_ / "later/file").status()));
  EXPECT_TRUE(WriteAll(**store, root_ / "later/file", "x").ok());
}

TEST_F(OpenStoreTest, DeletingLeavesTheTargetsOfLinks) {
  Link("secret", "allowed/a_link");
  ASSERT_TRUE(store_->DeleteFolder(root_ / "allowed").ok());
  EXPECT_TRUE(fs::exists(root_.path() / "secret/file"));
}

TEST_F(OpenStoreTest, AnUnknownSchemeIsAFieldError) {
  const absl::Status status = store_->Stat(*Uri::Parse("s3://bucket/key")).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(GetErrorInfo(status)->metadata.at("field"), "uri");
  EXPECT_THAT(std::string(status.message()), HasSubstr("no folder at s3:// is allowed"));
  EXPECT_TRUE(absl::IsInvalidArgument(store_->Copy(root_ / "allowed/file", *Uri::Parse("s3://bucket/key"))));
}

TEST(OpenStoreOptionsTest, RefusesPrefixesItCannotServe) {
  for (const std::vector<std::string>& prefixes :
       {std::vector<std::string>{}, {"relative"}, {"/models/../etc"}, {"/models", "gs://bucket"}, {""}}) {
    const absl::Status status = OpenStore({.allowed_prefixes = prefixes}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_EQ(GetErrorInfo(status)->metadata.at("field"), "allowed_prefixes");
  }
}

}  // namespace
}  // namespace besa::storage
