// What is particular to S3, on a real server; the contract of every store is checked in object_store_test.cc.
#include "storage/object/s3_store.h"

#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/error_info.h"
#include "storage/object/open_store.h"
#include "storage/object/s3_test_server.h"

namespace besa::storage {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Uri At(const std::string& text) { return *Uri::Parse(text); }

std::string Message(const absl::Status& status) { return std::string(status.message()); }

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

class S3StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = S3TestServer::WhyNot(); !reason.empty()) GTEST_SKIP() << reason;
    server_ = std::make_unique<S3TestServer>();
    store_ = server_->Open();
  }

  std::unique_ptr<S3TestServer> server_;
  std::unique_ptr<ObjectStore> store_;
};

TEST_F(S3StoreTest, NothingButTheObjectsLiesInAnOutputFolder) {
  const Uri output = At("s3://results/team/out");
  ASSERT_TRUE(store_->CheckWritable(output).ok());
  EXPECT_THAT(server_->Files("results"), IsEmpty());
  {
    const auto unfinished = store_->OpenWriter(output.Join("half"));
    ASSERT_TRUE((*unfinished)->Write(Bytes("half")).ok());
  }
  EXPECT_THAT(server_->Files("results"), IsEmpty());
  ASSERT_TRUE(WriteAll(*store_, output.Join("shard"), "content").ok());
  ASSERT_TRUE(store_->Copy(output.Join("shard"), output.Join("sub/copy")).ok());
  EXPECT_THAT(server_->Files("results"), ElementsAre("team/out/shard", "team/out/sub/copy"));
  EXPECT_EQ(server_->UnfinishedUploads("results"), 0);
}

TEST_F(S3StoreTest, ADeletionLeavesOnlyTheFolderAbove) {
  ASSERT_TRUE(WriteAll(*store_, At("s3://results/work/job/task/file"), "x").ok());
  ASSERT_TRUE(store_->DeleteFolder(At("s3://results/work/job/task")).ok());
  EXPECT_THAT(server_->Files("results"), ElementsAre("work/job/"));
  EXPECT_THAT(*store_->List(At("s3://results/work")), IsEmpty());
  ASSERT_TRUE(store_->DeleteFolder(At("s3://results/work/job")).ok());
  EXPECT_THAT(server_->Files("results"), ElementsAre("work/"));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->DeleteFolder(At("s3://results"))));
}

TEST_F(S3StoreTest, LargeObjectsAreManyPartsAndAppearAtOnce) {
  const Uri uri = At("s3://models/large");
  std::string content(100 << 20, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 2654435761u >> 24);
  const auto writer = store_->OpenWriter(uri);
  ASSERT_TRUE((*writer)->Write(Bytes(content.substr(0, 70 << 20))).ok());
  EXPECT_EQ(server_->UnfinishedUploads("models"), 1);
  EXPECT_TRUE(absl::IsNotFound(store_->Stat(uri).status()));
  ASSERT_TRUE((*writer)->Write(Bytes(content.substr(70 << 20))).ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  EXPECT_EQ(server_->UnfinishedUploads("models"), 0);
  EXPECT_TRUE(*ReadAll(*store_, uri, 1 << 30) == content);
}

TEST_F(S3StoreTest, AnUnfinishedLargeWriteIsAborted) {
  {
    const auto writer = store_->OpenWriter(At("s3://models/large"));
    ASSERT_TRUE((*writer)->Write(Bytes(std::string(70 << 20, 'x'))).ok());
    ASSERT_EQ(server_->UnfinishedUploads("models"), 1);
  }
  EXPECT_EQ(server_->UnfinishedUploads("models"), 0);
  EXPECT_THAT(server_->Files("models"), IsEmpty());
}

// Arrow's streams complete their upload when they are destroyed: half an object would appear once the server is back.
TEST_F(S3StoreTest, AWriteDiscardedWhileTheServerIsDownNeverAppears) {
  {
    const auto writer = store_->OpenWriter(At("s3://models/large"));
    ASSERT_TRUE((*writer)->Write(Bytes(std::string(70 << 20, 'x'))).ok());
    server_->Kill();
  }
  server_->Start();
  EXPECT_THAT(server_->Files("models"), IsEmpty());
  EXPECT_EQ(server_->UnfinishedUploads("models"), 1) << "what the bucket's lifecycle rule removes";
}

TEST_F(S3StoreTest, AServerThatIsBackInTimeIsNotMissed) {
  const auto patient = OpenStore(
      {.allowed_prefixes = {"s3://models"}, .environment = server_->environment(), .retry_for = absl::Minutes(1)});
  ASSERT_TRUE(WriteAll(**patient, At("s3://models/file"), "content").ok());
  const auto writer = (*patient)->OpenWriter(At("s3://models/large"));
  // Both have their clients now: a new one has to wait for the calls under way.
  ASSERT_TRUE(store_->Stat(At("s3://models/file")).ok());
  const std::string half(40 << 20, 'x');
  ASSERT_TRUE((*writer)->Write(Bytes(half)).ok());
  server_->Kill();
  absl::StatusOr<std::string> read;
  std::thread reader([&] { read = ReadAll(**patient, At("s3://models/file"), 100); });
  absl::Status written;
  std::thread write([&] {
    written = (*writer)->Write(Bytes(half));
    if (written.ok()) written = (*writer)->Finish();
  });
  EXPECT_TRUE(absl::IsUnavailable(store_->Stat(At("s3://models/file")).status())) << "the impatient one";
  server_->Start();
  reader.join();
  write.join();
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, "content");
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_EQ((*patient)->Stat(At("s3://models/large"))->size, int64_t{80} << 20);
}

TEST_F(S3StoreTest, TheTagIsTheServers) {
  ASSERT_TRUE(WriteAll(*store_, At("s3://models/file"), "hello").ok());
  EXPECT_EQ(store_->Stat(At("s3://models/file"))->etag, "\"5d41402abc4b2a76b9719d911017c592\"") << "MD5 of hello";
}

TEST_F(S3StoreTest, CopiesBetweenBucketsAndStores) {
  const Uri from = At("s3://models/file");
  ASSERT_TRUE(WriteAll(*store_, from, "content").ok());
  ASSERT_TRUE(store_->Copy(from, At("s3://results/a/copy")).ok());
  EXPECT_EQ(*ReadAll(*store_, At("s3://results/a/copy"), 10), "content");

  // Another server knows the second bucket: the copy has to stream.
  const S3TestServer other;
  const TemporaryFolder folder;
  const std::string config = (folder.path() / "stores.json").string();
  std::ofstream(config) << R"({"buckets": {"results": {"endpoint": ")" << other.endpoint() << R"("}}})";
  const auto both = OpenStore({.allowed_prefixes = {"s3://models", "s3://results", folder.path().string()},
                               .config_file = config,
                               .environment = server_->environment()});
  ASSERT_TRUE(both.ok()) << both.status();
  ASSERT_TRUE((*both)->Copy(from, At("s3://results/b/copy")).ok());
  EXPECT_THAT(other.Files("results"), ElementsAre("b/copy"));
  ASSERT_TRUE((*both)->Copy(At("s3://results/b/copy"), folder / "copy").ok());
  EXPECT_EQ(*ReadAll(**both, folder / "copy", 10), "content");
  ASSERT_TRUE((*both)->Copy(folder / "copy", At("s3://models/back")).ok());
  EXPECT_EQ(*ReadAll(**both, At("s3://models/back"), 10), "content");
}

TEST_F(S3StoreTest, OnlyTheAllowedPrefixIsReached) {
  const auto store = OpenStore({.allowed_prefixes = {"s3://models/team"}, .environment = server_->environment()});
  EXPECT_TRUE(WriteAll(**store, At("s3://models/team/file"), "x").ok());
  for (const char* const outside : {"s3://models/teammate/file", "s3://models", "s3://results/team/file"}) {
    const absl::Status status = (*store)->Stat(At(outside)).status();
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
    EXPECT_EQ(GetErrorInfo(status)->reason, "PATH_NOT_ALLOWED");
  }
}

struct Wrong {
  std::string name;
  std::map<std::string, std::string> environment;
  absl::StatusCode code;
  std::string words;
};

// Wrong settings get an answer that says what to check, whatever is done first.
TEST_F(S3StoreTest, WrongSettingsAreSaidClearly) {
  ASSERT_TRUE(WriteAll(*store_, At("s3://models/file"), "content").ok());
  const Wrong cases[] = {
      {"key", {{"AWS_ACCESS_KEY_ID", "nobody"}}, absl::StatusCode::kPermissionDenied, "the access key or its secret"},
      {"secret", {{"AWS_SECRET_ACCESS_KEY", "wrong"}}, absl::StatusCode::kPermissionDenied, "(from AWS_ACCESS_KEY_ID"},
      {"region", {{"AWS_REGION", "eu-west-1"}}, absl::StatusCode::kFailedPrecondition, "signed for region eu-west-1"},
      {"server", {{"AWS_ENDPOINT_URL", "http://127.0.0.1:1"}}, absl::StatusCode::kUnavailable, "cannot reach"},
  };
  for (const Wrong& wrong : cases) {
    const auto store = server_->Open(wrong.environment);
    const Uri file = At("s3://models/file");
    std::byte byte;
    for (const absl::Status& status :
         {store->Stat(file).status(), store->List(At("s3://models/folder")).status(),
          store->ReadRange(file, 0, {&byte, 1}), WriteAll(*store, At("s3://models/new"), "x"),
          store->CheckWritable(At("s3://models/folder")), store->Copy(file, At("s3://models/copy"))}) {
      EXPECT_EQ(status.code(), wrong.code) << wrong.name << ": " << status;
      EXPECT_THAT(Message(status), AllOf(HasSubstr("s3://models/"), HasSubstr(wrong.words))) << wrong.name;
    }
  }
}

TEST_F(S3StoreTest, AMissingBucketIsNotAMissingObject) {
  const auto store =
      OpenStore({.allowed_prefixes = {"s3://models", "s3://nothing"}, .environment = server_->environment()});
  const std::string words = absl::StrCat("there is no bucket nothing at ", server_->endpoint());
  for (const absl::Status& status :
       {(*store)->Stat(At("s3://nothing/file")).status(), (*store)->CheckWritable(At("s3://nothing/folder")),
        WriteAll(**store, At("s3://nothing/file"), "x")}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(Message(status), HasSubstr(words));
  }
  EXPECT_EQ(Message((*store)->Stat(At("s3://models/file")).status()), "s3://models/file: not found");
}

TEST_F(S3StoreTest, AServerThatOnlyReadsSaysSo) {
  ASSERT_TRUE(WriteAll(*store_, At("s3://models/file"), "content").ok());
  server_->Kill();
  server_->Start({"--readonly"});
  EXPECT_EQ(*ReadAll(*store_, At("s3://models/file"), 10), "content");
  for (const absl::Status& status :
       {store_->CheckWritable(At("s3://models/folder")), WriteAll(*store_, At("s3://models/new"), "x"),
        store_->Copy(At("s3://models/file"), At("s3://models/copy"))}) {
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
    EXPECT_THAT(Message(status), HasSubstr("check the rights of the key"));
  }
}

}  // namespace
}  // namespace besa::storage
