#include "worker/ranks/serve_rank.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "besa/v1/rank.pb.h"
#include "storage/base/error_info.h"

namespace besa::worker {
namespace {

// Fails every other task.
class EveryOther final : public TaskRunner {
 public:
  absl::StatusOr<TaskEnding> Compute(const v1::Assignment& assignment, const TaskObserver& observer) override {
    v1::TaskProgress progress;
    progress.set_stage("walk");
    EXPECT_TRUE(observer(progress));
    if (++tasks_ % 2 == 0) return ErrorWithInfo(absl::StatusCode::kOutOfRange, "block 2: NaN", {"BAD_NUMBERS", {}});
    v1::TaskResult result;
    result.set_numerics(assignment.lease().task());
    return Finished(std::move(result));
  }
  std::optional<v1::Cursor> cursor() const override {
    v1::Cursor cursor;
    cursor.set_block(tasks_);
    return cursor;
  }

 private:
  int tasks_ = 0;
};

class Tools final : public RankTools {
 public:
  TaskRunner& runner() override { return runner_; }
  // Of two blocks the second, but none of three.
  absl::StatusOr<std::optional<v1::TaskResult>> RunOwnBlock(const std::vector<v1::Assignment>& assignments,
                                                            const TaskObserver& observer) override {
    if (assignments.size() > 2) return std::nullopt;
    v1::TaskProgress progress;
    progress.set_stage("train");
    EXPECT_TRUE(observer(progress));
    v1::TaskResult result;
    result.set_numerics(assignments[1].lease().task());
    return result;
  }
  v1::Device device() const override {
    v1::Device device;
    device.set_id("cpu");
    return device;
  }

 private:
  EveryOther runner_;
};

class ServeRankTest : public testing::Test {
 protected:
  using Open = std::function<absl::StatusOr<std::unique_ptr<RankTools>>()>;

  void Serve(const Open& open) {
    const auto ends = MessageSocket::Pair().value();
    here_ = std::make_unique<MessageSocket>(ends.first);
    served_ = std::async(std::launch::async, [this, open, end = ends.second] {
      MessageSocket socket(end);
      return ServeRank(socket, open, {.beat = absl::Milliseconds(20), .orphaned = [this] { orphaned_ = true; }},
                       Sleeper::Real());
    });
  }

  // The next report that is no beat; counts those.
  v1::RankReport Next() {
    while (true) {
      v1::RankReport report;
      const auto received = here_->Receive(absl::Seconds(10), report);
      EXPECT_TRUE(received.ok()) << received.status();
      if (!received.ok()) return {};
      if (*received && !report.has_beat()) return report;
      beats_ += *received ? 1 : 0;
    }
  }

  void Command(const std::string& task, const std::vector<std::string>& further = {}) {
    v1::RankCommand command;
    command.mutable_assignment()->mutable_lease()->set_task(task);
    for (const std::string& other : further) command.add_further()->mutable_lease()->set_task(other);
    EXPECT_TRUE(here_->Send(command).ok());
  }

  std::unique_ptr<MessageSocket> here_;
  std::future<absl::Status> served_;
  std::atomic<bool> orphaned_ = false;
  int beats_ = 0;
};

TEST_F(ServeRankTest, BeatsUntilItIsReadyThenRunsOneTaskAfterTheOther) {
  Serve([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return std::make_unique<Tools>();
  });
  EXPECT_EQ(Next().ready().device().id(), "cpu");
  EXPECT_GE(beats_, 2);

  Command("first");
  EXPECT_EQ(Next().progress().stage(), "walk");
  v1::RankReport report = Next();
  EXPECT_EQ(report.result().result().numerics(), "first");
  EXPECT_EQ(report.result().cursor().block(), 1);

  Command("second");
  Next();
  report = Next();
  EXPECT_EQ(report.failure().code(), 11);
  EXPECT_EQ(report.failure().message(), "block 2: NaN");
  EXPECT_THAT(report.failure().details(), testing::HasSubstr("BAD_NUMBERS"));

  Command("third");
  Next();
  EXPECT_EQ(Next().result().result().numerics(), "third");
  here_.reset();
  EXPECT_TRUE(served_.get().ok());
  EXPECT_TRUE(orphaned_);
}

TEST_F(ServeRankTest, PrunesOneOfSeveralBlocksOrSaysThatItHadRatherNot) {
  Serve([] { return std::make_unique<Tools>(); });
  EXPECT_TRUE(Next().has_ready());

  Command("block 0", {"block 1"});
  EXPECT_EQ(Next().progress().stage(), "train");
  v1::RankReport report = Next();
  EXPECT_EQ(report.result().result().numerics(), "block 1");
  EXPECT_FALSE(report.result().together());

  Command("block 0", {"block 1", "block 2"});
  report = Next();
  EXPECT_TRUE(report.has_result());
  EXPECT_TRUE(report.result().together());
  here_.reset();
  EXPECT_TRUE(served_.get().ok());
}

TEST_F(ServeRankTest, SaysWhyItCannotBegin) {
  Serve([]() -> absl::StatusOr<std::unique_ptr<RankTools>> {
    return absl::FailedPreconditionError("device cuda:9: there is none");
  });
  EXPECT_EQ(Next().failure().message(), "device cuda:9: there is none");
  EXPECT_FALSE(here_ == nullptr);
  here_.reset();
  EXPECT_EQ(served_.get().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace besa::worker
