#include "storage/object/folder_store.h"

#include <arrow/filesystem/localfs.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/object/temporary_folder.h"

namespace besa::storage {
namespace {

using ::testing::HasSubstr;

class FolderStoreTest : public testing::Test {
 protected:
  // Every name in the folder, hidden ones too.
  int Entries() {
    int entries = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) ++entries;
    return entries;
  }

  TemporaryFolder folder_;
  uint64_t next_ = 0;
  FolderStore store_{[this] { return ++next_; }};
};

TEST_F(FolderStoreTest, RecognisesPartialNames) {
  EXPECT_TRUE(IsPartialName(".besa-part-00000000000000ff"));
  EXPECT_FALSE(IsPartialName(".besa-part-"));
  EXPECT_FALSE(IsPartialName("model.safetensors"));
}

TEST_F(FolderStoreTest, AKilledWriterLeavesNothingThatIsListedAndCanBeSwept) {
  const Uri uri = folder_ / "shard";
  EXPECT_EXIT(
      {
        auto writer = store_.OpenWriter(uri);
        (void)(*writer)->Write(std::as_bytes(std::span("half", 4)));
        ::kill(::getpid(), SIGKILL);
      },
      testing::KilledBySignal(SIGKILL), "");
  // The counter of this process did not move while the other one wrote.
  next_ = 100;
  EXPECT_TRUE(store_.List(folder_.uri())->empty());
  EXPECT_TRUE(absl::IsNotFound(store_.Stat(uri).status()));
  EXPECT_EQ(Entries(), 1);

  ASSERT_TRUE(WriteAll(store_, folder_ / "kept", "x").ok());
  ASSERT_TRUE(store_.DeletePartialWrites(folder_.uri(), absl::Now() - absl::Hours(1)).ok());
  EXPECT_EQ(Entries(), 2) << "a write under way is younger than that";
  ASSERT_TRUE(store_.DeletePartialWrites(folder_.uri(), absl::Now() + absl::Hours(1)).ok());
  EXPECT_EQ(Entries(), 1);
  EXPECT_EQ(*ReadAll(store_, folder_ / "kept", 10), "x");
}

TEST_F(FolderStoreTest, AFullDeviceIsResourceExhausted) {
  // What the disk says when it is full, from the device that always says so.
  ArrowStore device("file", std::make_shared<arrow::fs::LocalFileSystem>());
  const absl::Status status = WriteAll(device, *Uri::Parse("/dev/full"), "x");
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("file:///dev/full"));
}

TEST_F(FolderStoreTest, AWriteThatHitsALimitLeavesNothing) {
  const std::string content(100'000, 'x');
  ASSERT_TRUE(WriteAll(store_, folder_ / "from", content).ok());
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit unlimited;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  const rlimit limit = {.rlim_cur = 50'000, .rlim_max = unlimited.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const absl::Status written = WriteAll(store_, folder_ / "written", content);
  const absl::Status copied = store_.Copy(folder_ / "from", folder_ / "copied");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &unlimited), 0);
  EXPECT_TRUE(absl::IsResourceExhausted(written)) << written;
  EXPECT_TRUE(absl::IsResourceExhausted(copied)) << copied;
  EXPECT_EQ(Entries(), 1);
}

TEST_F(FolderStoreTest, WhatIsSharedIsOneFileAndWhatIsCopiedIsNot) {
  ASSERT_TRUE(WriteAll(store_, folder_ / "work/shard", "content").ok());
  ASSERT_TRUE(store_.Share(folder_ / "work/shard", folder_ / "output/shared").ok());
  ASSERT_TRUE(store_.Copy(folder_ / "work/shard", folder_ / "output/copied").ok());
  const auto same_file = [&](const char* name) {
    return std::filesystem::equivalent(folder_.path() / "work/shard", folder_.path() / "output" / name);
  };
  EXPECT_TRUE(same_file("shared"));
  EXPECT_FALSE(same_file("copied"));
  // Renaming one name of a file to another does nothing, so that the first would stay.
  ASSERT_TRUE(store_.Share(folder_ / "work/shard", folder_ / "output/shared").ok());
  EXPECT_EQ(Entries(), 5);
  ASSERT_TRUE(store_.DeleteFolder(folder_ / "work").ok());
  EXPECT_EQ(*ReadAll(store_, folder_ / "output/shared", 10), "content");

  // By a link's name as by the file's own.
  std::filesystem::create_symlink(folder_.path() / "output/shared", folder_.path() / "link");
  ASSERT_TRUE(store_.Share(folder_ / "link", folder_ / "of-link").ok());
  EXPECT_FALSE(std::filesystem::is_symlink(folder_.path() / "of-link"));
  EXPECT_EQ(*ReadAll(store_, folder_ / "of-link", 10), "content");
}

TEST_F(FolderStoreTest, WhatCannotBeSharedIsCopied) {
  struct statvfs here = {};
  struct statvfs there = {};
  ASSERT_EQ(::statvfs(folder_.path().c_str(), &here), 0);
  if (::statvfs("/dev/shm", &there) != 0 || here.f_fsid == there.f_fsid || ::access("/dev/shm", W_OK) != 0) {
    GTEST_SKIP() << "one file system only";
  }
  const std::filesystem::path other = std::filesystem::path("/dev/shm") / folder_.path().filename();
  ASSERT_TRUE(WriteAll(store_, folder_ / "shard", "content").ok());
  const Uri copy = Uri::Parse((other / "shard").string()).value();
  const absl::Status shared = store_.Share(folder_ / "shard", copy);
  const auto content = ReadAll(store_, copy, 10);
  std::filesystem::remove_all(other);
  ASSERT_TRUE(shared.ok()) << shared;
  EXPECT_EQ(content.value_or("nothing"), "content");
}

TEST_F(FolderStoreTest, MissingRightsArePermissionDenied) {
  ASSERT_TRUE(WriteAll(store_, folder_ / "locked/file", "x").ok());
  // Rights bind root only once it acts as someone else.
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod((folder_.path() / "locked").c_str(), 0), 0);
  const bool root = ::geteuid() == 0;
  ASSERT_EQ(root ? ::seteuid(65534) : 0, 0);
  std::byte byte;
  const absl::Status statuses[] = {
      store_.Stat(folder_ / "locked/file").status(), store_.ReadRange(folder_ / "locked/file", 0, {&byte, 1}),
      store_.List(folder_ / "locked").status(),      WriteAll(store_, folder_ / "locked/new", "x"),
      store_.Delete(folder_ / "locked/file"),        store_.CheckWritable(folder_ / "locked")};
  ASSERT_EQ(root ? ::seteuid(0) : 0, 0);
  ASSERT_EQ(::chmod((folder_.path() / "locked").c_str(), 0755), 0);
  for (const absl::Status& status : statuses) {
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr((folder_ / "locked").ToString()));
  }
}

TEST_F(FolderStoreTest, AFolderInTheWayIsAFailedPrecondition) {
  ASSERT_TRUE(WriteAll(store_, folder_ / "name/file", "x").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(WriteAll(store_, folder_ / "name", "x")));
  EXPECT_FALSE(WriteAll(store_, folder_ / "name/file/below", "x").ok());
  EXPECT_EQ(Entries(), 2);
}

TEST_F(FolderStoreTest, CheckingWhetherAFolderIsWritableLeavesNothing) {
  EXPECT_TRUE(store_.CheckWritable(folder_ / "not/yet/there").ok());
  EXPECT_EQ(Entries(), 0);
  ASSERT_TRUE(WriteAll(store_, folder_ / "file", "x").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store_.CheckWritable(folder_ / "file")));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_.CheckWritable(folder_ / "file/below")));
}

TEST_F(FolderStoreTest, LoopsOfLinksEndAndLinkedFilesCount) {
  ASSERT_TRUE(WriteAll(store_, folder_ / "a/file", "x").ok());
  std::filesystem::create_directory_symlink(folder_.path(), folder_.path() / "a/loop");
  std::filesystem::create_symlink(folder_.path() / "a/file", folder_.path() / "a/link");
  std::filesystem::create_symlink("nowhere", folder_.path() / "a/dangling");
  const auto objects = store_.List(folder_.uri());
  ASSERT_TRUE(objects.ok()) << objects.status();
  ASSERT_EQ(objects->size(), 2u);
  EXPECT_EQ(objects->at(0).uri, folder_ / "a/file");
  EXPECT_EQ(objects->at(1).uri, folder_ / "a/link");
}

TEST_F(FolderStoreTest, DeletingDoesNotFollowLinks) {
  const TemporaryFolder other;
  ASSERT_TRUE(WriteAll(store_, other / "file", "x").ok());
  ASSERT_TRUE(WriteAll(store_, folder_ / "a/file", "x").ok());
  std::filesystem::create_directory_symlink(other.path(), folder_.path() / "a/link");
  ASSERT_TRUE(store_.DeleteFolder(folder_ / "a").ok());
  EXPECT_EQ(Entries(), 0);
  EXPECT_EQ(*ReadAll(store_, other / "file", 10), "x");
}

TEST_F(FolderStoreTest, NamesThatNoUriCanHoldAreLeftOut) {
  std::ofstream(folder_.path() / "new\nline") << "x";
  std::ofstream(folder_.path() / "\xFF") << "x";
  EXPECT_EQ(Entries(), 2);
  EXPECT_TRUE(store_.List(folder_.uri())->empty());
}

}  // namespace
}  // namespace besa::storage
