// The group, its ranks being played by the test: what they say, and what they do not.
#include "worker/ranks/rank_task_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "proto/rpc_status.h"
#include "worker/agent/failure_reason.h"
#include "worker/agent/testing/manual_time.h"

namespace besa::worker {
namespace {

using testing::HasSubstr;

// What a rank does with a command; false: its process ends.
using Behaviour = std::function<bool(int rank, const v1::RankCommand& command, MessageSocket& socket)>;

v1::RankReport Result(const std::string& numerics) {
  v1::RankReport report;
  report.mutable_result()->mutable_result()->set_numerics(numerics);
  report.mutable_result()->mutable_cursor()->set_block(3);
  return report;
}

v1::RankReport Failure(const absl::Status& status) {
  const grpc::Status as_sent = ToGrpc(status);
  v1::RankReport report;
  report.mutable_failure()->set_code(as_sent.error_code());
  report.mutable_failure()->set_message(as_sent.error_message());
  report.mutable_failure()->set_details(as_sent.error_details());
  return report;
}

v1::RankReport Progress(int64_t step) {
  v1::RankReport report;
  report.mutable_progress()->set_stage("train");
  report.mutable_progress()->set_step(step);
  return report;
}

// A thread in the place of a process.
class PlayedRank final : public Rank {
 public:
  PlayedRank(int number, const Behaviour& behaviour, std::pair<int, int> ends)
      : socket_(ends.first), thread_([number, behaviour, end = ends.second](std::stop_token stop) {
          MessageSocket socket(end);
          v1::RankReport ready;
          ready.mutable_ready()->mutable_device()->set_id("cpu");
          if (!socket.Send(ready).ok()) return;
          while (!stop.stop_requested()) {
            v1::RankCommand command;
            const auto received = socket.Receive(absl::Milliseconds(5), command);
            if (!received.ok()) return;
            if (*received && !behaviour(number, command, socket)) return;
          }
        }) {}

  MessageSocket& socket() override { return socket_; }
  std::string End(absl::Duration) override {
    thread_.request_stop();
    shutdown(socket_.file_descriptor(), SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    return "was killed by signal 9";
  }

 private:
  MessageSocket socket_;
  std::jthread thread_;
};

// One that never says anything.
class AbsentRank final : public Rank {
 public:
  explicit AbsentRank(int file_descriptor) : socket_(file_descriptor) {}

  MessageSocket& socket() override { return socket_; }
  std::string End(absl::Duration) override { return "was killed"; }

 private:
  MessageSocket socket_;
};

// Blocks that a group gets at once, and how they end.
struct Several {
  Several(int first, size_t count) : assignments(count), observers(count), steps(count), wanted(count, true) {
    for (size_t i = 0; i < count; ++i) {
      assignments[i].set_kind(v1::TASK_KIND_PRUNE);
      assignments[i].set_block(first + static_cast<int>(i));
      observers[i] = [this, i](const v1::TaskProgress& progress) {
        EXPECT_FALSE(progress.stage().empty());
        steps[i] = progress.step();
        return bool{wanted[i]};
      };
    }
  }

  void Run(RankTaskRunner& runner) {
    std::vector<BlockToPrune> blocks;
    for (size_t i = 0; i < assignments.size(); ++i) blocks.push_back({&assignments[i], &observers[i], {}});
    ended.assign(assignments.size(), absl::UnknownError("it has not ended"));
    runner.ComputeSeveral(blocks, [&](size_t i, absl::StatusOr<TaskEnding> ending) {
      if (ending.ok()) ended[i] = (*std::move(ending))(observers[i]);
      if (!ending.ok()) ended[i] = ending.status();
    });
  }

  std::vector<v1::Assignment> assignments;
  std::vector<TaskObserver> observers;
  // The last step of each.
  std::vector<int64_t> steps;
  std::vector<bool> wanted;
  std::vector<absl::StatusOr<v1::TaskResult>> ended;
};

class RankTaskRunnerTest : public testing::Test {
 protected:
  std::unique_ptr<RankTaskRunner> StartGroup(int ranks) {
    return RankTaskRunner::Start(
               {.ranks = ranks, .silence = absl::Minutes(3)},
               [this](int rank, int64_t group) -> absl::StatusOr<std::unique_ptr<Rank>> {
                 ++started_[group];
                 return std::make_unique<PlayedRank>(rank, behaviour_, MessageSocket::Pair().value());
               },
               time_)
        .value();
  }

  static v1::Assignment Task(v1::TaskKind kind) {
    v1::Assignment assignment;
    assignment.set_kind(kind);
    return assignment;
  }

  static bool GoOn(const v1::TaskProgress&) { return true; }

  // Runs the task while time passes.
  absl::StatusOr<v1::TaskResult> RunAsTimePasses(RankTaskRunner& runner, v1::TaskKind kind) {
    std::atomic<bool> done = false;
    absl::StatusOr<v1::TaskResult> result;
    std::thread thread([&] {
      result = runner.Run(Task(kind), GoOn);
      done = true;
    });
    EXPECT_TRUE(time_.AdvanceUntil([&] { return done.load(); }));
    thread.join();
    return result;
  }

  ManualTime time_;
  // As new ranks will be; those of a group that is there keep theirs.
  Behaviour behaviour_ = [](int rank, const v1::RankCommand&, MessageSocket& socket) {
    return socket.Send(Result("rank " + std::to_string(rank))).ok();
  };
  // Ranks started, by group.
  std::map<int64_t, int> started_;
};

TEST_F(RankTaskRunnerTest, PruningGoesToAllRanksAndTheFirstOnesResultCounts) {
  std::atomic<int> asked = 0;
  behaviour_ = [&](int rank, const v1::RankCommand&, MessageSocket& socket) {
    ++asked;
    if (rank == 0) {
      EXPECT_TRUE(socket.Send(Progress(5)).ok());
    }
    return socket.Send(Result("rank " + std::to_string(rank))).ok();
  };
  const auto group = StartGroup(3);
  EXPECT_EQ(group->device().id(), "cpu,cpu,cpu");
  int64_t step = 0;
  const auto result = group->Run(Task(v1::TASK_KIND_PRUNE), [&](const v1::TaskProgress& progress) {
    step = progress.step();
    return true;
  });
  EXPECT_EQ(result->numerics(), "rank 0");
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(step, 5);
  EXPECT_EQ(group->cursor()->block(), 3);

  EXPECT_TRUE(group->Run(Task(v1::TASK_KIND_EVALUATE_DENSE), GoOn).ok());
  EXPECT_EQ(asked, 4);
  EXPECT_EQ(started_.size(), 1u);
}

TEST_F(RankTaskRunnerTest, ARankThatEndsFailsTheAttemptAndTheGroupIsFormedAnew) {
  behaviour_ = [](int rank, const v1::RankCommand&, MessageSocket&) { return rank != 1; };
  const auto group = StartGroup(2);
  behaviour_ = [](int, const v1::RankCommand&, MessageSocket& socket) { return socket.Send(Result("new")).ok(); };
  const absl::Status lost = group->Run(Task(v1::TASK_KIND_PRUNE), GoOn).status();
  EXPECT_EQ(lost.message(), "rank 1 was killed by signal 9");
  EXPECT_EQ(FailureReasonOf(lost), v1::FAILURE_REASON_CRASHED);
  EXPECT_FALSE(group->cursor().has_value());
  EXPECT_EQ(group->Run(Task(v1::TASK_KIND_PRUNE), GoOn)->numerics(), "new");
  EXPECT_EQ(started_, (std::map<int64_t, int>{{0, 2}, {1, 2}}));
}

TEST_F(RankTaskRunnerTest, ARankThatFallsSilentLikewise) {
  // Rank 0 beats on and waits for rank 1.
  behaviour_ = [this](int rank, const v1::RankCommand&, MessageSocket& socket) {
    v1::RankReport beat;
    beat.mutable_beat();
    while (rank == 0 && socket.Send(beat).ok()) time_.Sleep(absl::Seconds(1), {});
    return true;
  };
  const auto group = StartGroup(2);
  const absl::Status lost = RunAsTimePasses(*group, v1::TASK_KIND_PRUNE).status();
  EXPECT_EQ(lost.message(), "rank 1 said nothing for 3m");
  EXPECT_EQ(FailureReasonOf(lost), v1::FAILURE_REASON_CRASHED);
}

TEST_F(RankTaskRunnerTest, AFailureIsToldUnlessAnotherRankTurnsOutToBeGone) {
  const absl::Status closed = absl::InternalError("connection closed by peer");
  behaviour_ = [&](int rank, const v1::RankCommand&, MessageSocket& socket) {
    if (rank == 0) return socket.Send(Failure(closed)).ok();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return false;
  };
  auto group = StartGroup(2);
  EXPECT_THAT(group->Run(Task(v1::TASK_KIND_PRUNE), GoOn).status().message(), HasSubstr("rank 1"));

  const absl::Status bad = absl::OutOfRangeError("block 2: NaN");
  behaviour_ = [&](int rank, const v1::RankCommand&, MessageSocket& socket) {
    return rank != 1 || socket.Send(Failure(bad)).ok();
  };
  group = StartGroup(2);
  EXPECT_EQ(RunAsTimePasses(*group, v1::TASK_KIND_PRUNE).status(), bad);
}

TEST_F(RankTaskRunnerTest, ATaskOfOneRankMayFailWithoutTheOthers) {
  behaviour_ = [](int, const v1::RankCommand&, MessageSocket& socket) {
    return socket.Send(Failure(absl::UnavailableError("the store is away"))).ok();
  };
  const auto group = StartGroup(2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(group->Run(Task(v1::TASK_KIND_PREPARE), GoOn).status().message(), "the store is away");
  }
  EXPECT_EQ(started_.size(), 1u);
}

TEST_F(RankTaskRunnerTest, StoppingATaskEndsItsRanks) {
  behaviour_ = [](int rank, const v1::RankCommand&, MessageSocket& socket) {
    return rank != 0 || socket.Send(Progress(1)).ok();
  };
  const auto group = StartGroup(2);
  EXPECT_EQ(group->Run(Task(v1::TASK_KIND_PRUNE), [](const auto&) { return false; }).status().code(),
            absl::StatusCode::kCancelled);
  behaviour_ = [](int, const v1::RankCommand&, MessageSocket& socket) { return socket.Send(Result("new")).ok(); };
  EXPECT_TRUE(group->Run(Task(v1::TASK_KIND_PRUNE), GoOn).ok());
  EXPECT_EQ(started_.size(), 2u);
}

TEST_F(RankTaskRunnerTest, OfAsManyBlocksAsRanksEachPrunesOne) {
  behaviour_ = [](int rank, const v1::RankCommand& command, MessageSocket& socket) {
    EXPECT_EQ(command.assignment().block(), 4);
    EXPECT_EQ(command.further(0).block(), 5);
    return socket.Send(Progress(10 + rank)).ok() && socket.Send(Result("rank " + std::to_string(rank))).ok();
  };
  const auto group = StartGroup(2);
  EXPECT_EQ(group->most_blocks(), 2);
  Several several(4, 2);
  several.Run(*group);
  EXPECT_EQ(several.ended[0]->numerics(), "rank 0");
  EXPECT_EQ(several.ended[1]->numerics(), "rank 1");
  EXPECT_EQ(several.steps, (std::vector<int64_t>{10, 11}));
  EXPECT_EQ(group->cursor()->block(), 3);
}

TEST_F(RankTaskRunnerTest, IfTheRanksHadRatherTheyPruneSeveralBlocksTogetherOneAfterTheOther) {
  behaviour_ = [](int, const v1::RankCommand& command, MessageSocket& socket) {
    v1::RankReport report;
    report.mutable_result()->set_together(true);
    if (command.further_size() > 0) return socket.Send(report).ok();
    return socket.Send(Progress(command.assignment().block())).ok() &&
           socket.Send(Result("block " + std::to_string(command.assignment().block()))).ok();
  };
  const auto group = StartGroup(2);
  Several several(4, 2);
  several.Run(*group);
  EXPECT_EQ(several.ended[0]->numerics(), "block 4");
  EXPECT_EQ(several.ended[1]->numerics(), "block 5");
  EXPECT_EQ(several.steps, (std::vector<int64_t>{4, 5}));
}

TEST_F(RankTaskRunnerTest, FewerBlocksThanRanksArePrunedTogether) {
  behaviour_ = [](int, const v1::RankCommand& command, MessageSocket& socket) {
    EXPECT_EQ(command.further_size(), 0);
    return socket.Send(Result("block " + std::to_string(command.assignment().block()))).ok();
  };
  const auto group = StartGroup(3);
  Several several(7, 2);
  several.Run(*group);
  EXPECT_EQ(several.ended[1]->numerics(), "block 8");
}

TEST_F(RankTaskRunnerTest, ARankThatEndsFailsAllBlocks) {
  // Rank 0 is done, rank 1 ends, rank 2 is still at work.
  behaviour_ = [](int rank, const v1::RankCommand&, MessageSocket& socket) {
    if (rank == 0) return socket.Send(Result("rank 0")).ok();
    std::this_thread::sleep_for(std::chrono::milliseconds(rank == 1 ? 50 : 0));
    return rank != 1;
  };
  const auto group = StartGroup(3);
  Several several(0, 3);
  several.Run(*group);
  for (const auto& ended : several.ended) {
    EXPECT_EQ(ended.status().message(), "rank 1 was killed by signal 9");
    EXPECT_EQ(FailureReasonOf(ended.status()), v1::FAILURE_REASON_CRASHED);
  }
  behaviour_ = [](int, const v1::RankCommand&, MessageSocket& socket) { return socket.Send(Result("new")).ok(); };
  EXPECT_TRUE(group->Run(Task(v1::TASK_KIND_PRUNE), GoOn).ok());
  EXPECT_EQ(started_.size(), 2u);
}

TEST_F(RankTaskRunnerTest, ABlockThatFailsIsNotTheFailureOfTheOthers) {
  const absl::Status bad = absl::OutOfRangeError("block 1: NaN");
  behaviour_ = [&](int rank, const v1::RankCommand&, MessageSocket& socket) {
    return rank != 1 || socket.Send(Failure(bad)).ok();
  };
  const auto group = StartGroup(2);
  Several several(0, 2);
  std::atomic<bool> done = false;
  std::thread thread([&] {
    several.Run(*group);
    done = true;
  });
  EXPECT_TRUE(time_.AdvanceUntil([&] { return done.load(); }));
  thread.join();
  EXPECT_EQ(several.ended[1].status(), bad);
  EXPECT_EQ(several.ended[0].status().message(), "another rank failed: block 1: NaN");
  EXPECT_EQ(FailureReasonOf(several.ended[0].status()), v1::FAILURE_REASON_CRASHED);
}

// One lease that is lost costs the others nothing.
TEST_F(RankTaskRunnerTest, SeveralBlocksAreStoppedWhenNoneIsWantedAnyMore) {
  behaviour_ = [](int rank, const v1::RankCommand&, MessageSocket& socket) {
    return socket.Send(Progress(rank)).ok() && socket.Send(Result("done")).ok();
  };
  {
    const auto group = StartGroup(2);
    Several several(0, 2);
    several.wanted = {true, false};
    several.Run(*group);
    EXPECT_TRUE(several.ended[0].ok());
  }
  behaviour_ = [](int rank, const v1::RankCommand&, MessageSocket& socket) { return socket.Send(Progress(rank)).ok(); };
  const auto group = StartGroup(2);
  Several several(0, 2);
  several.wanted = {false, false};
  several.Run(*group);
  for (const auto& ended : several.ended) EXPECT_TRUE(absl::IsCancelled(ended.status()));
}

TEST_F(RankTaskRunnerTest, ARankThatEndedBetweenTasksCostsNoAttempt) {
  std::atomic<int> tasks = 0;
  behaviour_ = [&](int rank, const v1::RankCommand&, MessageSocket& socket) {
    ++tasks;
    return socket.Send(Result("done")).ok() && !(rank == 1 && tasks <= 2);
  };
  const auto group = StartGroup(2);
  EXPECT_TRUE(group->Run(Task(v1::TASK_KIND_PRUNE), GoOn).ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(group->Run(Task(v1::TASK_KIND_PRUNE), GoOn).ok());
  EXPECT_EQ(started_.size(), 2u);
}

TEST_F(RankTaskRunnerTest, AGroupThatCannotFormAgainIsABrokenDevice) {
  int started = 0;
  behaviour_ = [](int, const v1::RankCommand&, MessageSocket&) { return false; };
  const auto group = RankTaskRunner::Start(
      {.ranks = 2},
      [&](int rank, int64_t) -> absl::StatusOr<std::unique_ptr<Rank>> {
        if (++started > 2) return absl::FailedPreconditionError("device cuda:1: there is none");
        return std::make_unique<PlayedRank>(rank, behaviour_, MessageSocket::Pair().value());
      },
      time_);
  EXPECT_FALSE((*group)->Run(Task(v1::TASK_KIND_PRUNE), GoOn).ok());
  const absl::Status again = (*group)->Run(Task(v1::TASK_KIND_PRUNE), GoOn).status();
  EXPECT_EQ(again.message(), "the ranks could not be started again: device cuda:1: there is none");
  EXPECT_EQ(FailureReasonOf(again), v1::FAILURE_REASON_DEVICE);
}

TEST_F(RankTaskRunnerTest, AGroupThatDoesNotFormInTimeIsGivenUp) {
  std::atomic<bool> done = false;
  absl::Status status;
  std::thread thread([&] {
    // Nobody is at the other end, and nobody closes it.
    std::vector<std::pair<int, int>> ends;
    status = RankTaskRunner::Start(
                 {.ranks = 1, .forming = absl::Minutes(1)},
                 [&](int, int64_t) -> absl::StatusOr<std::unique_ptr<Rank>> {
                   ends.push_back(MessageSocket::Pair().value());
                   return std::make_unique<AbsentRank>(ends.back().first);
                 },
                 time_)
                 .status();
    close(ends.back().second);
    done = true;
  });
  EXPECT_TRUE(time_.AdvanceUntil([&] { return done.load(); }));
  thread.join();
  EXPECT_EQ(status.message(), "the ranks did not find each other within 1m");
}

TEST_F(RankTaskRunnerTest, AGroupThatCannotFormSaysWhy) {
  const auto group = RankTaskRunner::Start(
      {.ranks = 2},
      [](int, int64_t) -> absl::StatusOr<std::unique_ptr<Rank>> { return absl::InternalError("no more processes"); },
      time_);
  EXPECT_EQ(group.status().message(), "no more processes");
}

}  // namespace
}  // namespace besa::worker
