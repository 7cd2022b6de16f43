#include "storage/object/caching_store.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "storage/object/faulty_store.h"
#include "storage/object/temporary_folder.h"

namespace besa::storage {
namespace {

namespace fs = std::filesystem;

class CachingStoreTest : public testing::Test {
 protected:
  CachingStoreTest() { EXPECT_TRUE(WriteAll(*real_, model_, std::string(1000, 'a') + std::string(1000, 'b')).ok()); }

  std::unique_ptr<CachingStore> Open(int64_t limit = 1 << 20) {
    return *CachingStore::Open(counting_, {.folder = cache_.path(),
                                           .limit_bytes = limit,
                                           .worth_keeping = [](const Uri& uri) { return uri.name() != "plain"; },
                                           .random = SystemRandom()});
  }
  static std::string Read(CachingStore& cache, const Uri& uri, int64_t offset, size_t size) {
    std::string bytes(size, '?');
    const absl::Status status = cache.ReadRange(uri, offset, std::as_writable_bytes(std::span(bytes)));
    return status.ok() ? bytes : status.ToString();
  }
  int64_t Reads() const { return counting_.calls(StoreOp::kRead); }
  int64_t Files() const { return std::distance(fs::directory_iterator(cache_.path()), fs::directory_iterator()); }

  TemporaryFolder folder_;
  TemporaryFolder cache_;
  const Uri model_ = folder_ / "model.safetensors";
  std::unique_ptr<ObjectStore> real_ = OpenStoreIn(folder_);
  FaultyStore counting_{*real_};
};

TEST_F(CachingStoreTest, ReadsARangeOnce) {
  const auto cache = Open();
  EXPECT_EQ(Read(*cache, model_, 998, 4), "aabb");
  EXPECT_EQ(Read(*cache, model_, 998, 4), "aabb");
  EXPECT_EQ(Reads(), 1);
  EXPECT_EQ(Read(*cache, model_, 998, 5), "aabbb") << "another range";
  EXPECT_EQ(Reads(), 2);
  EXPECT_EQ(cache->counts().hits, 1);
  EXPECT_EQ(cache->counts().fetched_bytes, 9);
}

TEST_F(CachingStoreTest, IsSharedByProcessesThatComeAfter) {
  EXPECT_EQ(Read(*Open(), model_, 0, 4), "aaaa");
  EXPECT_EQ(Read(*Open(), model_, 0, 4), "aaaa");
  EXPECT_EQ(Reads(), 1);
}

TEST_F(CachingStoreTest, AChangedObjectIsReadAnewOnceItWasAskedFor) {
  const auto cache = Open();
  EXPECT_EQ(Read(*cache, model_, 0, 4), "aaaa");
  ASSERT_TRUE(WriteAll(*real_, model_, std::string(3000, 'c')).ok());
  EXPECT_EQ(Read(*cache, model_, 0, 4), "aaaa") << "as it was when last asked for";
  ASSERT_TRUE(cache->Stat(model_).ok());
  EXPECT_EQ(Read(*cache, model_, 0, 4), "cccc");
}

TEST_F(CachingStoreTest, BytesThatChangedWhileTheyWereReadAreNotKept) {
  const auto cache = Open();
  ASSERT_TRUE(cache->Stat(model_).ok());
  ASSERT_TRUE(WriteAll(*real_, model_, std::string(3000, 'c')).ok());
  EXPECT_EQ(Read(*cache, model_, 0, 4), "cccc");
  EXPECT_EQ(Files(), 0) << "not under the tag of what was there before";
}

TEST_F(CachingStoreTest, WhatIsNotWorthKeepingIsNot) {
  const auto cache = Open();
  const Uri plain = folder_ / "plain";
  ASSERT_TRUE(WriteAll(*real_, plain, "text").ok());
  EXPECT_EQ(Read(*cache, plain, 0, 4), "text");
  EXPECT_EQ(Read(*cache, plain, 0, 4), "text");
  EXPECT_EQ(Reads(), 2);
  EXPECT_EQ(Files(), 0);
}

TEST_F(CachingStoreTest, KeepsWhatIsWorthItAndThere) {
  const auto cache = Open();
  EXPECT_TRUE(cache->Keeps(model_));
  EXPECT_FALSE(cache->Keeps(folder_ / "plain"));
  EXPECT_FALSE(cache->Keeps(folder_ / "missing.safetensors"));
}

TEST_F(CachingStoreTest, TheLeastLatelyUsedGoesWhenThereIsNoRoom) {
  const auto cache = Open(/*limit=*/1000);
  const auto at = [&](int64_t offset) { return Read(*cache, model_, offset, 300); };
  at(0);
  at(300);
  for (const auto& entry : fs::directory_iterator(cache_.path())) {
    fs::last_write_time(entry, fs::file_time_type::clock::now() - std::chrono::hours(1));
  }
  at(300);  // used again
  at(600);
  EXPECT_EQ(Files(), 3);
  at(900);
  EXPECT_EQ(Files(), 3);
  const int64_t before = Reads();
  at(300);
  EXPECT_EQ(Reads(), before) << "was used lately";
  at(0);
  EXPECT_EQ(Reads(), before + 1) << "was not";
}

TEST_F(CachingStoreTest, ARangeLargerThanTheLimitPassesThrough) {
  const auto cache = Open(/*limit=*/100);
  EXPECT_EQ(Read(*cache, model_, 0, 101), std::string(101, 'a'));
  EXPECT_EQ(Files(), 0);
}

TEST_F(CachingStoreTest, AFileThatIsNotWholeIsFetchedAgain) {
  Read(*Open(), model_, 0, 4);
  for (const auto& entry : fs::directory_iterator(cache_.path())) fs::resize_file(entry, 2);
  EXPECT_EQ(Read(*Open(), model_, 0, 4), "aaaa");
  EXPECT_EQ(Reads(), 2);
}

TEST_F(CachingStoreTest, TemporaryFilesOfKilledProcessesAreRemoved) {
  const fs::path left = cache_.path() / "tmp-1-2";
  std::ofstream(left) << "half";
  Open();
  EXPECT_TRUE(fs::exists(left)) << "perhaps somebody's who lives";
  fs::last_write_time(left, fs::file_time_type::clock::now() - std::chrono::hours(2));
  Open();
  EXPECT_FALSE(fs::exists(left));
}

TEST_F(CachingStoreTest, AFolderThatIsTakenAwayCostsNothingButTime) {
  const auto cache = Open();
  Read(*cache, model_, 0, 4);
  fs::remove_all(cache_.path());
  EXPECT_EQ(Read(*cache, model_, 0, 4), "aaaa");
  EXPECT_EQ(Read(*cache, model_, 1998, 4).substr(0, 12), "OUT_OF_RANGE");
  EXPECT_EQ(cache->counts().unkept_bytes, 4);
  fs::create_directories(cache_.path());
}

TEST_F(CachingStoreTest, AFailedReadIsTheReadersAndNotKept) {
  const auto cache = Open();
  counting_.SetPlan(FailOnce(StoreOp::kRead, 1, absl::UnavailableError("down")));
  EXPECT_EQ(Read(*cache, model_, 0, 4).substr(0, 11), "UNAVAILABLE");
  EXPECT_EQ(Read(*cache, model_, 0, 4), "aaaa");
}

TEST_F(CachingStoreTest, ManyThatWantTheSameFetchItOnce) {
  const auto cache = Open();
  std::vector<std::jthread> readers;
  for (int i = 0; i < 8; ++i) {
    readers.emplace_back(
        [&] { EXPECT_EQ(Read(*cache, model_, 500, 1000), std::string(500, 'a') + std::string(500, 'b')); });
  }
  readers.clear();
  EXPECT_EQ(Reads(), 1);
}

TEST(CachingStoreOpen, RefusesWhatIsNoFolder) {
  TemporaryFolder folder;
  const auto store = OpenStoreIn(folder);
  ASSERT_TRUE(WriteAll(*store, folder / "file", "x").ok());
  CacheOptions options{.folder = folder.path() / "file",
                       .limit_bytes = 10,
                       .worth_keeping = [](const Uri&) { return true; },
                       .random = SystemRandom()};
  EXPECT_EQ(CachingStore::Open(*store, options).status().code(), absl::StatusCode::kInvalidArgument);
  options.folder = folder.path() / "cache";
  options.limit_bytes = 0;
  EXPECT_EQ(CachingStore::Open(*store, options).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace besa::storage
