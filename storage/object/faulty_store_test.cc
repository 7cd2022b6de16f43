#include "storage/object/faulty_store.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "storage/object/temporary_folder.h"

namespace besa::storage {
namespace {

TEST(FaultyStoreTest, CountsCallsAndBytes) {
  const TemporaryFolder folder;
  const auto real = OpenStoreIn(folder);
  FaultyStore store(*real);
  ASSERT_TRUE(WriteAll(store, folder / "a", "12345").ok());
  EXPECT_EQ(*ReadAll(store, folder / "a", 10), "12345");
  EXPECT_EQ(store.bytes_written(), 5);
  EXPECT_EQ(store.bytes_read(), 5);
  EXPECT_EQ(store.calls(StoreOp::kFinish), 1);
  EXPECT_EQ(store.calls(StoreOp::kStat), 1);
  EXPECT_EQ(store.calls(StoreOp::kCopy), 0);
}

TEST(FaultyStoreTest, FailsTheChosenCallBeforeOrAfterItsEffect) {
  const TemporaryFolder folder;
  const auto real = OpenStoreIn(folder);
  FaultyStore store(*real, FailOnce(StoreOp::kFinish, 2, absl::ResourceExhaustedError("full")));
  EXPECT_TRUE(WriteAll(store, folder / "a", "1").ok());
  EXPECT_TRUE(absl::IsResourceExhausted(WriteAll(store, folder / "b", "2")));
  EXPECT_TRUE(WriteAll(store, folder / "c", "3").ok());
  EXPECT_TRUE(absl::IsNotFound(real->Stat(folder / "b").status()));

  store.SetPlan(FailOnce(StoreOp::kCopy, 1, absl::UnavailableError("answer lost"), /*after_effect=*/true));
  EXPECT_TRUE(absl::IsUnavailable(store.Copy(folder / "a", folder / "d")));
  EXPECT_EQ(*ReadAll(*real, folder / "d", 10), "1");

  store.SetPlan(FailOnce(StoreOp::kCopy, 2, absl::UnavailableError("not yet")));
  EXPECT_TRUE(absl::IsUnavailable(store.Share(folder / "a", folder / "e")));
  EXPECT_TRUE(absl::IsNotFound(real->Stat(folder / "e").status()));
  EXPECT_TRUE(store.Share(folder / "a", folder / "e").ok());
}

TEST(FaultyStoreTest, StopsForGoodAtACallOfAnyKind) {
  const TemporaryFolder folder;
  const auto real = OpenStoreIn(folder);
  ASSERT_TRUE(WriteAll(*real, folder / "a", "1").ok());
  for (const bool after_effect : {false, true}) {
    FaultyStore store(*real, StopAt(2, after_effect));
    EXPECT_TRUE(store.Stat(folder / "a").ok());
    const Uri copy = folder / (after_effect ? "done" : "not-done");
    EXPECT_TRUE(absl::IsUnavailable(store.Copy(folder / "a", copy)));
    EXPECT_EQ(real->Stat(copy).ok(), after_effect);
    EXPECT_TRUE(absl::IsUnavailable(store.Delete(copy)));
    EXPECT_EQ(real->Stat(copy).ok(), after_effect);
    EXPECT_EQ(store.calls(), 3);
  }
}

TEST(FaultyStoreTest, RandomFaultsFollowTheSeed) {
  const TemporaryFolder folder;
  const auto real = OpenStoreIn(folder);
  ASSERT_TRUE(WriteAll(*real, folder / "a", "1").ok());
  const auto outcomes = [&](uint64_t seed) {
    FaultyStore store(*real, FailShare(0.1, seed));
    std::string text;
    for (int i = 0; i < 2000; ++i) absl::StrAppend(&text, store.Stat(folder / "a").ok() ? "." : "x");
    return text;
  };
  const std::string first = outcomes(1);
  EXPECT_EQ(outcomes(1), first);
  EXPECT_NE(outcomes(2), first);
  const auto failures = std::count(first.begin(), first.end(), 'x');
  EXPECT_GT(failures, 150);
  EXPECT_LT(failures, 250);
}

}  // namespace
}  // namespace besa::storage
