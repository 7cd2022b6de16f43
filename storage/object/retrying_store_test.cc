#include "storage/object/retrying_store.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/object/faulty_store.h"
#include "storage/object/temporary_folder.h"

namespace besa::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class HandMovedClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::UnixEpoch() + now; }
  absl::Duration Steady() const override { return now; }
  absl::Duration now;
};

// A folder behind a store that fails as told, behind one that tries again; sleeping moves the clock.
class RetryingStoreTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
  HandMovedClock clock_;
  std::vector<absl::Duration> slept_;
  std::unique_ptr<ObjectStore> real_ = OpenStoreIn(folder_);
  FaultyStore* faulty_ = new FaultyStore(*real_);
  RetryingStore store_{
      std::unique_ptr<ObjectStore>(faulty_),
      {.backoff = {.first = absl::Seconds(1), .longest = absl::Seconds(4)}, .give_up_after = absl::Seconds(20)},
      {.clock = clock_,
       .sleep =
           [this](absl::Duration pause) {
             slept_.push_back(pause);
             clock_.now += pause;
           },
       .uniform = [] { return 0.5; }}};
};

TEST_F(RetryingStoreTest, WaitsGrowUpToTheLongest) {
  ASSERT_TRUE(WriteAll(*real_, folder_ / "a", "1").ok());
  faulty_->SetPlan([](const StoreCall& call) {
    return call.number <= 4 ? Fault{.status = absl::UnavailableError("down")} : Fault{};
  });
  EXPECT_EQ(store_.Stat(folder_ / "a")->size, 1);
  // Half of the spread, 0.5 to 1 of what it doubles to: 0.75 of 1, 2, 4, 4.
  EXPECT_THAT(slept_, ElementsAre(absl::Seconds(0.75), absl::Seconds(1.5), absl::Seconds(3), absl::Seconds(3)));
}

TEST_F(RetryingStoreTest, GivesUpInTimeAndSaysHowOftenItTried) {
  faulty_->SetPlan([](const StoreCall& call) {
    return Fault{.status = absl::UnavailableError(absl::StrCat(call.uri.ToString(), ": down"))};
  });
  const absl::Status status = store_.Delete(folder_ / "a");
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("/a: down; gave up after 8 tries in 17.2s"));
  EXPECT_EQ(faulty_->calls(StoreOp::kDelete), 8);
  EXPECT_LE(clock_.now, absl::Seconds(20));
}

TEST_F(RetryingStoreTest, OtherErrorsAreAnswersAndComeAtOnce) {
  faulty_->SetPlan(FailOnce(StoreOp::kCopy, 1, absl::PermissionDeniedError("no")));
  EXPECT_TRUE(absl::IsPermissionDenied(store_.Copy(folder_ / "a", folder_ / "b")));
  EXPECT_TRUE(absl::IsNotFound(store_.Stat(folder_ / "a").status()));
  EXPECT_TRUE(slept_.empty());
}

TEST_F(RetryingStoreTest, AWritableCheckAnswersAtOnce) {
  faulty_->SetPlan(FailOnce(StoreOp::kCheckWritable, 1, absl::UnavailableError("down")));
  EXPECT_TRUE(absl::IsUnavailable(store_.CheckWritable(folder_.uri())));
  EXPECT_TRUE(slept_.empty());
}

TEST_F(RetryingStoreTest, AStreamIsOpenedAgainButNotReplayed) {
  faulty_->SetPlan(FailOnce(StoreOp::kOpenWriter, 1, absl::UnavailableError("down")));
  EXPECT_TRUE(WriteAll(store_, folder_ / "a", "1").ok());
  faulty_->SetPlan(FailOnce(StoreOp::kFinish, 2, absl::UnavailableError("down")));
  EXPECT_TRUE(absl::IsUnavailable(WriteAll(store_, folder_ / "b", "2")));
  EXPECT_TRUE(absl::IsNotFound(real_->Stat(folder_ / "b").status()));
}

// A tenth of all calls fails, half of them after they had their effect: whoever repeats his writes loses nothing.
TEST_F(RetryingStoreTest, NothingIsLostWhenATenthOfAllCallsFails) {
  faulty_->SetPlan(FailShare(0.1, 7));
  for (int i = 0; i < 60; ++i) {
    const Uri from = folder_ / absl::StrCat("from/", i);
    const Uri to = folder_ / absl::StrCat("to/", i);
    const std::string content = absl::StrCat("content of ", i);
    absl::Status written;
    do {
      written = WriteAll(store_, from, content);
    } while (absl::IsUnavailable(written));
    ASSERT_TRUE(written.ok()) << written;
    ASSERT_TRUE((i % 2 == 0 ? store_.Copy(from, to) : store_.Share(from, to)).ok());
    ASSERT_TRUE(store_.Delete(from).ok());
    EXPECT_EQ(ReadAll(store_, to, 100).value_or("lost"), content);
  }
  EXPECT_EQ(store_.List(folder_.uri())->size(), 60u);
  EXPECT_FALSE(slept_.empty());
}

}  // namespace
}  // namespace besa::storage
