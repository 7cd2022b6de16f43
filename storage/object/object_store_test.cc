// The contract of every object store, checked on each that there is.
#include "storage/object/object_store.h"

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/object/folder_store.h"
#include "storage/object/open_store.h"
#include "storage/object/s3_test_server.h"
#include "storage/object/temporary_folder.h"

namespace besa::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kLimit = 1 << 20;

// Where a test writes: an address and things in it.
struct Place {
  Uri root;

  const Uri& uri() const { return root; }
  Uri operator/(absl::string_view relative) const { return root.Join(relative); }
};

struct StoreKind {
  std::string name;
  std::function<std::unique_ptr<ObjectStore>(const Place&)> open;
  bool on_s3 = false;
};

// One server for all tests of this program.
const S3TestServer& Server() {
  static const S3TestServer server;
  return server;
}

class ObjectStoreTest : public testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    const std::string reason = GetParam().on_s3 ? S3TestServer::WhyNot() : "";
    if (!reason.empty()) GTEST_SKIP() << reason;
    store_ = GetParam().open(folder_);
  }

  std::vector<std::string> Names(const Uri& folder) {
    const auto objects = store_->List(folder);
    EXPECT_TRUE(objects.ok()) << objects.status();
    std::vector<std::string> names;
    if (!objects.ok()) return names;
    for (const ObjectInfo& object : *objects) {
      EXPECT_TRUE(object.uri.IsWithin(folder));
      names.push_back(object.uri.path().substr(folder.path().size() + 1));
    }
    return names;
  }

  std::string Content(const Uri& uri) {
    const auto content = ReadAll(*store_, uri, kLimit);
    return content.ok() ? *content : content.status().ToString();
  }

  void Write(const Uri& uri, absl::string_view content) {
    const absl::Status status = WriteAll(*store_, uri, content);
    ASSERT_TRUE(status.ok()) << status;
  }

  TemporaryFolder local_;
  const Place folder_{GetParam().on_s3 ? *Uri::Parse("s3://models/" + local_.uri().name()) : local_.uri()};
  std::unique_ptr<ObjectStore> store_;
};

TEST_P(ObjectStoreTest, WhatIsWrittenIsRead) {
  const Uri uri = folder_ / "deep/down/config.json";
  Write(uri, "{\"a\": 1}");
  EXPECT_EQ(Content(uri), "{\"a\": 1}");
  const auto info = store_->Stat(uri);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->size, 8);
  EXPECT_EQ(info->uri, uri);
}

TEST_P(ObjectStoreTest, EmptyObjects) {
  Write(folder_ / "empty", "");
  EXPECT_EQ(Content(folder_ / "empty"), "");
  EXPECT_TRUE(store_->ReadRange(folder_ / "empty", 0, {}).ok());
}

TEST_P(ObjectStoreTest, RangesAreExact) {
  Write(folder_ / "digits", "0123456789");
  std::string part(4, '?');
  const auto out = std::as_writable_bytes(std::span(part));
  ASSERT_TRUE(store_->ReadRange(folder_ / "digits", 3, out).ok());
  EXPECT_EQ(part, "3456");
  EXPECT_TRUE(absl::IsOutOfRange(store_->ReadRange(folder_ / "digits", 7, out)));
  EXPECT_TRUE(absl::IsOutOfRange(store_->ReadRange(folder_ / "digits", 100, out)));
  EXPECT_TRUE(absl::IsOutOfRange(store_->ReadRange(folder_ / "digits", -1, out)));
}

TEST_P(ObjectStoreTest, LargeRangesArriveWhole) {
  // More than two of the pieces that are read at once, and not a multiple of them.
  std::string content((40 << 20) + 13, '\0');
  std::mt19937_64 random(1);
  for (size_t i = 0; i + 8 <= content.size(); i += 8) {
    const uint64_t word = random();
    std::memcpy(content.data() + i, &word, 8);
  }
  Write(folder_ / "large", content);
  std::string part(content.size() - 5, '\0');
  ASSERT_TRUE(store_->ReadRange(folder_ / "large", 5, std::as_writable_bytes(std::span(part))).ok());
  EXPECT_TRUE(part == absl::string_view(content).substr(5));
  EXPECT_TRUE(absl::IsOutOfRange(store_->ReadRange(folder_ / "large", 6, std::as_writable_bytes(std::span(part)))));
}

TEST_P(ObjectStoreTest, ReadAllKeepsItsLimit) {
  Write(folder_ / "text", "12345");
  EXPECT_TRUE(ReadAll(*store_, folder_ / "text", 5).ok());
  const absl::Status status = ReadAll(*store_, folder_ / "text", 4).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("/text: 5 bytes"));
}

TEST_P(ObjectStoreTest, WhatIsNotThereIsNotFoundByName) {
  const Uri uri = folder_ / "missing/file";
  std::byte byte;
  for (const absl::Status& status : {store_->Stat(uri).status(), store_->ReadRange(uri, 0, {&byte, 1}),
                                     store_->Copy(uri, folder_ / "copy"), store_->Share(uri, folder_ / "copy")}) {
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(uri.ToString()));
  }
  EXPECT_THAT(Names(folder_ / "missing"), IsEmpty());
  EXPECT_TRUE(store_->Delete(uri).ok());
  EXPECT_TRUE(store_->DeleteFolder(folder_ / "missing").ok());
}

TEST_P(ObjectStoreTest, FoldersAreNotObjects) {
  Write(folder_ / "folder/file", "x");
  std::byte byte;
  EXPECT_TRUE(absl::IsNotFound(store_->Stat(folder_ / "folder").status()));
  EXPECT_TRUE(absl::IsNotFound(store_->ReadRange(folder_ / "folder", 0, {&byte, 1})));
  EXPECT_TRUE(absl::IsNotFound(store_->Copy(folder_ / "folder", folder_ / "copy")));
  EXPECT_TRUE(absl::IsNotFound(store_->Share(folder_ / "folder", folder_ / "copy")));
  EXPECT_THAT(Names(folder_ / "folder/file"), IsEmpty());
}

TEST_P(ObjectStoreTest, NothingIsVisibleBeforeFinish) {
  const Uri uri = folder_ / "out/shard";
  const auto writer = store_->OpenWriter(uri);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Write(std::as_bytes(std::span("half", 4))).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->Stat(uri).status()));
  EXPECT_THAT(Names(folder_.uri()), IsEmpty());
  ASSERT_TRUE((*writer)->Finish().ok());
  EXPECT_EQ(Content(uri), "half");
  EXPECT_THAT(Names(folder_.uri()), ElementsAre("out/shard"));
}

TEST_P(ObjectStoreTest, AnUnfinishedWriteLeavesTheOldContent) {
  const Uri uri = folder_ / "file";
  Write(uri, "old");
  {
    const auto writer = store_->OpenWriter(uri);
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE((*writer)->Write(std::as_bytes(std::span("new", 3))).ok());
  }
  EXPECT_EQ(Content(uri), "old");
  EXPECT_THAT(Names(folder_.uri()), ElementsAre("file"));
}

TEST_P(ObjectStoreTest, OfTwoWritersTheLastToFinishWinsWhole) {
  const Uri uri = folder_ / "file";
  auto first = store_->OpenWriter(uri);
  auto second = store_->OpenWriter(uri);
  ASSERT_TRUE(first.ok() && second.ok());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE((*first)->Write(std::as_bytes(std::span("1", 1))).ok());
    ASSERT_TRUE((*second)->Write(std::as_bytes(std::span("22", 2))).ok());
  }
  ASSERT_TRUE((*second)->Finish().ok());
  EXPECT_EQ(Content(uri), "222222");
  ASSERT_TRUE((*first)->Finish().ok());
  EXPECT_EQ(Content(uri), "111");
}

TEST_P(ObjectStoreTest, TheTagFollowsTheContent) {
  const Uri uri = folder_ / "file";
  Write(uri, "old");
  const std::string before = store_->Stat(uri)->etag;
  EXPECT_EQ(store_->Stat(uri)->etag, before);
  Write(uri, "newer");
  EXPECT_NE(store_->Stat(uri)->etag, before);
}

TEST_P(ObjectStoreTest, ListsEveryDepthSorted) {
  for (const std::string name : {"b", "a/z", "a/y/x", "c"}) Write(folder_ / name, name);
  EXPECT_THAT(Names(folder_.uri()), ElementsAre("a/y/x", "a/z", "b", "c"));
  EXPECT_THAT(Names(folder_ / "a"), ElementsAre("y/x", "z"));
  EXPECT_EQ(store_->List(folder_ / "a")->front().size, 5);
}

TEST_P(ObjectStoreTest, CopiesReplace) {
  Write(folder_ / "from", "content");
  Write(folder_ / "to/file", "something else");
  ASSERT_TRUE(store_->Copy(folder_ / "from", folder_ / "to/file").ok());
  EXPECT_EQ(Content(folder_ / "to/file"), "content");
  ASSERT_TRUE(store_->Copy(folder_ / "from", folder_ / "from").ok());
  EXPECT_EQ(Content(folder_ / "from"), "content");
  // A copy of its own: what happens to the original later does not touch it.
  Write(folder_ / "from", "changed");
  EXPECT_EQ(Content(folder_ / "to/file"), "content");
}

TEST_P(ObjectStoreTest, SharesBytesUntilOneNameIsGivenToOthers) {
  Write(folder_ / "from", "content");
  Write(folder_ / "to/file", "something else");
  ASSERT_TRUE(store_->Share(folder_ / "from", folder_ / "to/file").ok());
  EXPECT_EQ(Content(folder_ / "to/file"), "content");
  EXPECT_EQ(store_->Stat(folder_ / "to/file")->size, 7);
  // Once more, and onto itself, as whoever begins anew does.
  ASSERT_TRUE(store_->Share(folder_ / "from", folder_ / "to/file").ok());
  ASSERT_TRUE(store_->Share(folder_ / "from", folder_ / "from").ok());
  EXPECT_THAT(Names(folder_.uri()), ElementsAre("from", "to/file"));
  // Objects are replaced, never changed: the other name keeps what it had.
  Write(folder_ / "from", "changed");
  EXPECT_EQ(Content(folder_ / "to/file"), "content");
  ASSERT_TRUE(store_->Share(folder_ / "to/file", folder_ / "third").ok());
  ASSERT_TRUE(store_->Delete(folder_ / "to/file").ok());
  EXPECT_EQ(Content(folder_ / "third"), "content");
}

TEST_P(ObjectStoreTest, StreamCopyMovesTheSameBytes) {
  const std::string content((9 << 20) + 1, 'x');
  Write(folder_ / "from", content);
  ASSERT_TRUE(StreamCopy(*store_, folder_ / "from", *store_, folder_ / "to").ok());
  std::string copy(content.size(), '\0');
  ASSERT_TRUE(store_->ReadRange(folder_ / "to", 0, std::as_writable_bytes(std::span(copy))).ok());
  EXPECT_TRUE(copy == content);
  EXPECT_EQ(store_->Stat(folder_ / "to")->size, store_->Stat(folder_ / "from")->size);
}

TEST_P(ObjectStoreTest, DeletesOneOrAll) {
  for (const std::string name : {"a/1", "a/2", "a/b/3", "c"}) Write(folder_ / name, name);
  ASSERT_TRUE(store_->Delete(folder_ / "a/1").ok());
  EXPECT_THAT(Names(folder_.uri()), ElementsAre("a/2", "a/b/3", "c"));
  ASSERT_TRUE(store_->DeleteFolder(folder_ / "a").ok());
  EXPECT_THAT(Names(folder_.uri()), ElementsAre("c"));
}

std::unique_ptr<ObjectStore> OpenFolderStore(const Place&) {
  auto next = std::make_shared<std::atomic<uint64_t>>(0);
  return std::make_unique<FolderStore>([next] { return ++*next; });
}

std::unique_ptr<ObjectStore> OpenConfined(const Place& place) {
  return *OpenStore({.allowed_prefixes = {place.uri().ToString()}});
}

std::unique_ptr<ObjectStore> OpenOnS3(const Place&) { return Server().Open(); }

INSTANTIATE_TEST_SUITE_P(Stores, ObjectStoreTest,
                         testing::Values(StoreKind{"Folder", &OpenFolderStore}, StoreKind{"Opened", &OpenConfined},
                                         StoreKind{"S3", &OpenOnS3, /*on_s3=*/true}),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace besa::storage
