// The agent against a real gRPC server, with a runner and a clock that the tests move.
#include "worker/agent/agent.h"

#include <algorithm>
#include <atomic>
#include <latch>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "spdlog/spdlog.h"
#include "storage/base/error_info.h"
#include "telemetry/logging.h"
#include "worker/agent/testing/manual_time.h"
#include "worker/agent/testing/scripted_coordinator.h"

namespace besa::worker {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// Does what the test says.
class LambdaRunner final : public TaskRunner {
 public:
  using Body = std::function<absl::StatusOr<v1::TaskResult>(const v1::Assignment&, const TaskObserver&)>;
  using Ending =
      std::function<absl::StatusOr<v1::TaskResult>(const v1::Assignment&, const TaskObserver&, v1::TaskResult)>;
  Body body;
  // Null: nothing is left to do.
  Ending ending;
  int most = 1;

  absl::StatusOr<TaskEnding> Compute(const v1::Assignment& assignment, const TaskObserver& observer) override {
    absl::StatusOr<v1::TaskResult> result = body(assignment, observer);
    if (!result.ok()) return result.status();
    return TaskEnding([this, &assignment, result = *std::move(result)](const TaskObserver& beside) mutable {
      return ending == nullptr ? std::move(result) : ending(assignment, beside, std::move(result));
    });
  }
  int most_blocks() const override { return most; }
  std::optional<v1::Cursor> cursor() const override {
    v1::Cursor cursor;
    cursor.set_job("jobs/a");
    cursor.set_block(2);
    return cursor;
  }
};

v1::Assignment BlockOf(int block) {
  v1::Assignment assignment;
  assignment.mutable_lease()->set_id(absl::StrCat("lease-", block));
  assignment.mutable_lease()->set_task(absl::StrCat("jobs/a/tasks/prune-0000", block));
  assignment.mutable_lease()->set_attempt(1);
  assignment.set_kind(v1::TASK_KIND_PRUNE);
  assignment.set_block(block);
  return assignment;
}

v1::TaskResult ResultOf(const v1::Assignment& assignment) {
  v1::TaskResult result;
  result.mutable_block()->set_block(assignment.block());
  return result;
}

v1::TaskProgress AtStep(int step) {
  v1::TaskProgress progress;
  progress.set_stage("train");
  progress.set_step(step);
  return progress;
}

// Works until it is told to stop.
absl::StatusOr<v1::TaskResult> Endless(const v1::Assignment&, const TaskObserver& observer) {
  for (int step = 0; observer(AtStep(step)); ++step) std::this_thread::yield();
  return absl::CancelledError("the observer said so");
}

class AgentTest : public ::testing::Test {
 protected:
  AgentTest() {
    EXPECT_TRUE(SetUpLogging("info", LogFormat::kText, {log_tail_}).ok());
    AgentOptions options;
    options.identity = {.name = "workers/w1", .incarnation = "start-1", .version = "0.1.0"};
    options.identity.device.set_id("cpu");
    agent_ = std::make_unique<Agent>(
        options, AgentEnvironment{time_, time_, [] { return 0.5; }, [this] { return absl::StrCat("id-", ++ids_); }},
        v1::WorkerService::NewStub(ConnectToCoordinator(coordinator_.address())), runner_, log_tail_);
    runner_.body = [](const v1::Assignment& assignment, const TaskObserver&) { return ResultOf(assignment); };
  }

  ~AgentTest() override {
    if (thread_.joinable()) {
      EXPECT_TRUE(Finish().ok());
    }
  }

  void StartAgent() {
    thread_ = std::thread([this] {
      ended_with_ = agent_->Run();
      ended_ = true;
    });
  }

  // Ends the agent, if it has not ended by itself, and returns what Run did.
  absl::Status Finish() {
    agent_->Drain();
    EXPECT_TRUE(time_.AdvanceUntil([this] { return ended_.load(); }));
    thread_.join();
    return ended_with_;
  }

  bool Logged(const std::string& text) {
    const auto lines = log_tail_->Lines();
    return std::any_of(lines.begin(), lines.end(),
                       [&](const std::string& line) { return line.find(text) != std::string::npos; });
  }

  bool Until(const std::function<bool()>& done) { return time_.AdvanceUntil(done); }

  ManualTime time_;
  ScriptedCoordinator coordinator_;
  LambdaRunner runner_;
  const std::shared_ptr<LogTail> log_tail_ = std::make_shared<LogTail>();
  std::unique_ptr<Agent> agent_;

  std::atomic<bool> ended_ = false;

 private:
  int ids_ = 0;
  std::thread thread_;
  absl::Status ended_with_;
};

TEST_F(AgentTest, RegistersLeasesRunsAndCommits) {
  coordinator_.Offer(BlockOf(3));
  StartAgent();
  ASSERT_TRUE(Until([&] { return coordinator_.leases().size() == 2; }));
  EXPECT_TRUE(Finish().ok());

  ASSERT_EQ(coordinator_.registrations().size(), 1u);
  EXPECT_EQ(coordinator_.registrations()[0].protocol_version(), v1::PROTOCOL_VERSION_1);
  EXPECT_EQ(coordinator_.registrations()[0].worker().device().id(), "cpu");
  const v1::LeaseTaskRequest wish = coordinator_.leases()[0];
  EXPECT_EQ(wish.worker(), "workers/w1");
  EXPECT_EQ(wish.cursor().block(), 2);
  EXPECT_GT(wish.wait().seconds(), 0);
  ASSERT_EQ(coordinator_.commits().size(), 1u);
  EXPECT_EQ(coordinator_.commits()[0].lease().id(), "lease-3");
  EXPECT_EQ(coordinator_.commits()[0].incarnation(), "start-1");
  EXPECT_EQ(coordinator_.commits()[0].result().block().block(), 3);
  EXPECT_TRUE(coordinator_.failures().empty());
}

TEST_F(AgentTest, AWishForWorkKeepsItsIdUntilItIsAnswered) {
  std::atomic<int> calls = 0;
  coordinator_.on_lease = [&](const v1::LeaseTaskRequest&) {
    return ++calls <= 2 ? absl::UnavailableError("lost") : absl::OkStatus();
  };
  coordinator_.Offer(BlockOf(0));
  StartAgent();
  ASSERT_TRUE(Until([&] { return coordinator_.leases().size() == 4; }));
  EXPECT_TRUE(Finish().ok());
  const auto leases = coordinator_.leases();
  EXPECT_EQ(leases[0].request_id(), leases[1].request_id());
  EXPECT_EQ(leases[0].request_id(), leases[2].request_id());
  EXPECT_NE(leases[0].request_id(), leases[3].request_id());
}

TEST_F(AgentTest, HeartbeatsBringTheLatestProgressUp) {
  std::latch may_end(1);
  runner_.body = [&](const v1::Assignment& assignment, const TaskObserver& observer) -> absl::StatusOr<v1::TaskResult> {
    for (int step = 1; step <= 3; ++step) EXPECT_TRUE(observer(AtStep(step)));
    may_end.wait();
    return ResultOf(assignment);
  };
  coordinator_.Offer(BlockOf(0));
  StartAgent();
  EXPECT_TRUE(Until([&] { return coordinator_.heartbeats().size() >= 3; }));
  may_end.count_down();
  EXPECT_TRUE(Until([&] { return coordinator_.commits().size() == 1; }));
  EXPECT_TRUE(Finish().ok());
  EXPECT_EQ(coordinator_.heartbeats().back().lease().id(), "lease-0");
  EXPECT_EQ(coordinator_.heartbeats().back().progress().step(), 3);
}

TEST_F(AgentTest, ACancelledJobStopsTheTaskAndIsReported) {
  runner_.body = Endless;
  coordinator_.on_heartbeat = [](const v1::HeartbeatRequest&) { return true; };
  coordinator_.Offer(BlockOf(0));
  StartAgent();
  EXPECT_TRUE(Until([&] { return coordinator_.failures().size() == 1; }));
  EXPECT_TRUE(Finish().ok());
  EXPECT_EQ(coordinator_.failures()[0].reason(), v1::FAILURE_REASON_CANCELLED);
  EXPECT_TRUE(coordinator_.commits().empty());
}

TEST_F(AgentTest, ALostLeaseStopsTheTaskWithoutAWord) {
  runner_.body = Endless;
  coordinator_.on_heartbeat = [](const v1::HeartbeatRequest&) { return absl::AbortedError("taken over"); };
  coordinator_.Offer(BlockOf(0));
  StartAgent();
  EXPECT_TRUE(Until([&] { return coordinator_.leases().size() == 2; }));
  EXPECT_TRUE(Finish().ok());
  EXPECT_TRUE(coordinator_.failures().empty());
  EXPECT_TRUE(coordinator_.commits().empty());
}

TEST_F(AgentTest, AnAbortedCommitDropsTheResult) {
  coordinator_.on_commit = [](const v1::CommitTaskRequest&) { return absl::AbortedError("another won"); };
  coordinator_.Offer(BlockOf(0));
  StartAgent();
  EXPECT_TRUE(Until([&] { return coordinator_.leases().size() == 2; }));
  EXPECT_TRUE(Finish().ok());
  EXPECT_EQ(coordinator_.commits().size(), 1u);
  EXPECT_TRUE(coordinator_.failures().empty());
}

TEST_F(AgentTest, AResultThatDoesNotFitIsAFailure) {
  coordinator_.on_commit = [](const v1::CommitTaskRequest&) { return absl::InvalidArgumentError("no zeros"); };
  coordinator_.Offer(BlockOf(0));
  StartAgent();
  EXPECT_TRUE(Until([&] { return coordinator_.failures().size() == 1; }));
  EXPECT_TRUE(Finish().ok());
  EXPECT_EQ(coordinator_.failures()[0].reason(), v1::FAILURE_REASON_REFUSED);
  EXPECT_THAT(coordinator_.failures()[0].message(), HasSubstr("no zeros"));
}

// An illegal address, say: every later call of this process would fail, too, and use up attempts of one task after the
// other.
TEST_F(AgentTest, ABrokenDeviceIsReportedAndEndsTheProcess) {
  runner_.body = [](const v1::Assignment&, const TaskObserver&) -> absl::StatusOr<v1::TaskResult> {
    return ErrorWithInfo(absl::StatusCode::kInternal, "CUDA error: an illegal memory access was encountered",
                         {.reason = "DEVICE_FAILED", .metadata = {}});
  };
  coordinator_.Offer(BlockOf(0));
  coordinator_.Offer(BlockOf(1));
  StartAgent();
  EXPECT_TRUE(Until([&] { return coordinator_.failures().size() == 1; }));
  const absl::Status ended = Finish();
  EXPECT_EQ(GetErrorInfo(ended)->reason, "DEVICE_FAILED");
  EXPECT_EQ(coordinator_.failures()[0].reason(), v1::FAILURE_REASON_DEVICE);
  EXPECT_THAT(coordinator_.failures()[0].message(), HasSubstr("illegal memory access"));
  EXPECT_EQ(coordinator_.failures().size(), 1u) << "it asked for no more work";
}

TEST_F(AgentTest, WorkGoesOnWhileTheCoordinatorRestarts) {
  std::latch running(1);
  std::latch may_end(1);
  runner_.body = [&](const v1::Assignment& assignment, const TaskObserver& observer) -> absl::StatusOr<v1::TaskResult> {
    running.count_down();
    may_end.wait();
    // The coordinator is away by now, and yet nobody asks the task to stop.
    EXPECT_TRUE(observer(AtStep(9)));
    return ResultOf(assignment);
  };
  // After its restart the coordinator has forgotten the worker, though not the lease.
  std::atomic<bool> forgotten = false;
  coordinator_.on_commit = [&](const v1::CommitTaskRequest&) {
    if (!forgotten) return absl::OkStatus();
    return ErrorWithInfo(absl::StatusCode::kFailedPrecondition, "who are you?", {"WORKER_UNKNOWN", {}});
  };
  coordinator_.on_register = [&](const v1::RegisterWorkerRequest&) {
    forgotten = false;
    return absl::OkStatus();
  };
  coordinator_.Offer(BlockOf(0));
  StartAgent();
  running.wait();
  coordinator_.Stop();
  forgotten = true;
  EXPECT_TRUE(Until([&] { return Logged("heartbeat failed, the task goes on"); }));
  may_end.count_down();
  EXPECT_TRUE(Until([&] { return Logged("commit failed, next try"); }));
  coordinator_.Start();
  EXPECT_TRUE(Until([&] { return coordinator_.leases().size() == 2; }));
  EXPECT_TRUE(Finish().ok());

  const auto registrations = coordinator_.registrations();
  ASSERT_EQ(registrations.size(), 2u);
  EXPECT_EQ(registrations[0].worker().incarnation(), registrations[1].worker().incarnation());
  const auto commits = coordinator_.commits();
  ASSERT_EQ(commits.size(), 2u);
  EXPECT_EQ(commits[1].lease().id(), "lease-0");
}

TEST_F(AgentTest, DrainingHandsTheTaskBackAndEndsWell) {
  std::latch running(1);
  runner_.body = [&](const v1::Assignment& assignment, const TaskObserver& observer) {
    running.count_down();
    return Endless(assignment, observer);
  };
  coordinator_.Offer(BlockOf(0));
  StartAgent();
  running.wait();
  EXPECT_TRUE(Finish().ok());
  ASSERT_EQ(coordinator_.failures().size(), 1u);
  EXPECT_EQ(coordinator_.failures()[0].reason(), v1::FAILURE_REASON_DRAINED);
  EXPECT_EQ(coordinator_.leases().size(), 1u);
}

TEST_F(AgentTest, ACommitSaysWhetherTheWorkerIsLeaving) {
  std::latch running(1);
  std::latch may_end(1);
  runner_.body = [&](const v1::Assignment& assignment, const TaskObserver&) -> absl::StatusOr<v1::TaskResult> {
    if (assignment.block() == 1) {
      running.count_down();
      may_end.wait();
    }
    return ResultOf(assignment);
  };
  coordinator_.Offer(BlockOf(0));
  coordinator_.Offer(BlockOf(1));
  StartAgent();
  running.wait();
  EXPECT_TRUE(Until([&] { return coordinator_.commits().size() == 1; }));
  agent_->Drain();
  may_end.count_down();  // too far to be stopped
  EXPECT_TRUE(Finish().ok());
  const auto commits = coordinator_.commits();
  ASSERT_EQ(commits.size(), 2u);
  EXPECT_FALSE(commits[0].leaving());
  EXPECT_TRUE(commits[1].leaving());
}

// While the files of one block are written, the next is computed.
TEST_F(AgentTest, TheNextBlockIsComputedWhileOneIsWritten) {
  std::latch second_computed(1);
  std::latch may_write(1);
  runner_.body = [&](const v1::Assignment& assignment, const TaskObserver&) -> absl::StatusOr<v1::TaskResult> {
    if (assignment.block() == 1) second_computed.count_down();
    return ResultOf(assignment);
  };
  runner_.ending = [&](const v1::Assignment& assignment, const TaskObserver& observer,
                       v1::TaskResult result) -> absl::StatusOr<v1::TaskResult> {
    EXPECT_TRUE(observer(AtStep(assignment.block() + 10)));
    if (assignment.block() == 0) may_write.wait();
    return result;
  };
  for (const int block : {0, 1, 2}) coordinator_.Offer(BlockOf(block));
  StartAgent();
  second_computed.wait();
  const auto beats = [&](const std::string& lease) {
    const auto all = coordinator_.heartbeats();
    return std::ranges::count_if(all, [&](const auto& beat) { return beat.lease().id() == lease; });
  };
  // Both leases are kept alive, each with its own progress.
  EXPECT_TRUE(Until([&] { return beats("lease-0") >= 2 && beats("lease-1") >= 2; }));
  EXPECT_TRUE(coordinator_.commits().empty());
  EXPECT_EQ(coordinator_.leases().size(), 2u) << "a third block waits until the first one's memory is free";
  EXPECT_TRUE(coordinator_.leases()[0].held_leases().empty());
  EXPECT_THAT(coordinator_.leases()[1].held_leases(), ::testing::ElementsAre("lease-0"));
  may_write.count_down();
  EXPECT_TRUE(Until([&] { return coordinator_.commits().size() == 3; }));
  EXPECT_TRUE(Finish().ok());
  std::vector<std::string> committed;
  for (const auto& commit : coordinator_.commits()) committed.push_back(commit.lease().id());
  EXPECT_THAT(committed, ::testing::ElementsAre("lease-0", "lease-1", "lease-2"));
}

TEST_F(AgentTest, AFailureToWriteEndsItsOwnAttemptAlone) {
  std::latch failed(1);
  runner_.body = [&](const v1::Assignment& assignment, const TaskObserver&) -> absl::StatusOr<v1::TaskResult> {
    if (assignment.block() == 1) failed.wait();
    spdlog::info("computed block {}", assignment.block());
    return ResultOf(assignment);
  };
  runner_.ending = [&](const v1::Assignment& assignment, const TaskObserver&,
                       v1::TaskResult result) -> absl::StatusOr<v1::TaskResult> {
    if (assignment.block() == 1) return result;
    return ErrorWithInfo(absl::StatusCode::kResourceExhausted, "the disk is full", {"STORAGE", {}});
  };
  coordinator_.Offer(BlockOf(0));
  coordinator_.Offer(BlockOf(1));
  StartAgent();
  EXPECT_TRUE(Until([&] { return coordinator_.failures().size() == 1; }));
  failed.count_down();
  EXPECT_TRUE(Until([&] { return coordinator_.commits().size() == 1; }));
  EXPECT_TRUE(Finish().ok());
  EXPECT_EQ(coordinator_.failures()[0].lease().id(), "lease-0");
  EXPECT_THAT(coordinator_.failures()[0].log_tail(), Contains(HasSubstr("computed block 0")));
  EXPECT_EQ(coordinator_.commits()[0].lease().id(), "lease-1");
  EXPECT_THAT(coordinator_.commits()[0].log_tail(), Contains(HasSubstr("computed block 1")));
  EXPECT_THAT(coordinator_.commits()[0].log_tail(), Not(Contains(HasSubstr("block 0"))));
}

TEST_F(AgentTest, ACancelledJobStopsTheWritingToo) {
  std::latch writing(1);
  runner_.ending = [&](const v1::Assignment&, const TaskObserver& observer,
                       v1::TaskResult) -> absl::StatusOr<v1::TaskResult> {
    writing.count_down();
    while (observer(AtStep(0))) std::this_thread::yield();
    return absl::CancelledError("stopped while writing");
  };
  coordinator_.on_heartbeat = [](const v1::HeartbeatRequest& beat) { return beat.lease().id() == "lease-0"; };
  coordinator_.Offer(BlockOf(0));
  StartAgent();
  writing.wait();
  EXPECT_TRUE(Until([&] { return coordinator_.failures().size() == 1; }));
  EXPECT_TRUE(Finish().ok());
  EXPECT_EQ(coordinator_.failures()[0].reason(), v1::FAILURE_REASON_CANCELLED);
  EXPECT_TRUE(coordinator_.commits().empty());
}

TEST_F(AgentTest, DrainingCommitsWhatIsBeingWritten) {
  std::latch writing(1);
  std::latch may_write(1);
  runner_.ending = [&](const v1::Assignment&, const TaskObserver&,
                       v1::TaskResult result) -> absl::StatusOr<v1::TaskResult> {
    writing.count_down();
    may_write.wait();
    return result;
  };
  coordinator_.Offer(BlockOf(0));
  StartAgent();
  writing.wait();
  agent_->Drain();
  may_write.count_down();
  EXPECT_TRUE(Finish().ok());
  ASSERT_EQ(coordinator_.commits().size(), 1u);
  EXPECT_TRUE(coordinator_.commits()[0].leaving());
  EXPECT_TRUE(coordinator_.failures().empty());
}

// Its commit grants the next block.
TEST_F(AgentTest, ASequentialBlockIsCommittedBeforeMoreWorkIsAskedFor) {
  v1::Assignment first = BlockOf(0);
  first.mutable_spec()->mutable_method()->set_schedule(v1::SCHEDULE_SEQUENTIAL);
  coordinator_.on_commit = [&](const v1::CommitTaskRequest&) {
    EXPECT_EQ(coordinator_.leases().size(), 1u);
    return absl::OkStatus();
  };
  coordinator_.Offer(first);
  StartAgent();
  EXPECT_TRUE(Until([&] { return coordinator_.leases().size() == 2; }));
  EXPECT_TRUE(Finish().ok());
  EXPECT_EQ(coordinator_.commits().size(), 1u);
  EXPECT_TRUE(coordinator_.leases()[1].held_leases().empty());
}

TEST_F(AgentTest, DrainingInterruptsTheWaitForWork) {
  StartAgent();
  ASSERT_TRUE(Until([&] { return coordinator_.leases().size() == 1; }));
  EXPECT_TRUE(Finish().ok());
}

TEST_F(AgentTest, DrainingGivesUpOnACoordinatorThatStaysAway) {
  std::latch may_end(1);
  std::latch running(1);
  runner_.body = [&](const v1::Assignment& assignment, const TaskObserver&) -> absl::StatusOr<v1::TaskResult> {
    running.count_down();
    may_end.wait();
    return ResultOf(assignment);
  };
  coordinator_.Offer(BlockOf(0));
  StartAgent();
  running.wait();
  coordinator_.Stop();
  may_end.count_down();
  EXPECT_TRUE(Finish().ok());
  EXPECT_TRUE(coordinator_.commits().empty());
}

TEST_F(AgentTest, AFailingTaskSendsItsLastLogLines) {
  runner_.body = [](const v1::Assignment&, const TaskObserver&) -> absl::StatusOr<v1::TaskResult> {
    for (int i = 0; i < 100; ++i) spdlog::info("step {}", i);
    spdlog::warn("odd bytes: \xff");
    return ErrorWithInfo(absl::StatusCode::kOutOfRange, "block 0, self_attn.q_proj: NaN", {"BAD_NUMBERS", {}});
  };
  coordinator_.Offer(BlockOf(0));
  StartAgent();
  EXPECT_TRUE(Until([&] { return coordinator_.failures().size() == 1; }));
  EXPECT_TRUE(Finish().ok());
  const v1::FailTaskRequest failure = coordinator_.failures()[0];
  EXPECT_EQ(failure.reason(), v1::FAILURE_REASON_BAD_NUMBERS);
  EXPECT_EQ(failure.message(), "block 0, self_attn.q_proj: NaN");
  EXPECT_EQ(failure.log_tail_size(), 50);
  EXPECT_THAT(failure.log_tail(), Contains(HasSubstr("info step 99")));
  EXPECT_THAT(failure.log_tail(), Contains(HasSubstr("odd bytes: ?")));
}

TEST_F(AgentTest, SeveralBlocksAreAnAttemptEach) {
  runner_.most = 3;
  runner_.body = [](const v1::Assignment& assignment, const TaskObserver&) -> absl::StatusOr<v1::TaskResult> {
    spdlog::info("block {}", assignment.block());
    if (assignment.block() == 1) return absl::ResourceExhaustedError("block 1 does not fit");
    return ResultOf(assignment);
  };
  coordinator_.OfferSeveral({BlockOf(0), BlockOf(1), BlockOf(2)});
  StartAgent();
  EXPECT_TRUE(Until([&] { return coordinator_.commits().size() == 2 && coordinator_.failures().size() == 1; }));
  EXPECT_TRUE(Finish().ok());
  EXPECT_EQ(coordinator_.leases()[0].most_blocks(), 3);
  EXPECT_EQ(coordinator_.commits()[0].lease().id(), "lease-0");
  EXPECT_EQ(coordinator_.commits()[1].lease().id(), "lease-2");
  EXPECT_EQ(coordinator_.commits()[1].result().block().block(), 2);
  EXPECT_EQ(coordinator_.failures()[0].lease().id(), "lease-1");
  EXPECT_EQ(coordinator_.failures()[0].reason(), v1::FAILURE_REASON_OUT_OF_MEMORY);
}

TEST_F(AgentTest, OfSeveralBlocksAllHaveHeartbeatsWhileOneIsComputed) {
  std::atomic<bool> may_end = false;
  runner_.most = 2;
  runner_.body = [&](const v1::Assignment& assignment, const TaskObserver&) -> absl::StatusOr<v1::TaskResult> {
    while (assignment.block() == 0 && !may_end) std::this_thread::yield();
    return ResultOf(assignment);
  };
  coordinator_.OfferSeveral({BlockOf(0), BlockOf(1)});
  StartAgent();
  EXPECT_TRUE(Until([&] {
    std::set<std::string> alive;
    for (const v1::HeartbeatRequest& beat : coordinator_.heartbeats()) alive.insert(beat.lease().id());
    return alive.size() == 2;
  }));
  may_end = true;
  EXPECT_TRUE(Until([&] { return coordinator_.commits().size() == 2; }));
  EXPECT_TRUE(Finish().ok());
}

TEST_F(AgentTest, AnIncompatibleCoordinatorEndsTheProcess) {
  coordinator_.on_register = [](const v1::RegisterWorkerRequest&) {
    return ErrorWithInfo(absl::StatusCode::kFailedPrecondition, "worker speaks 1, coordinator 2",
                         {"PROTOCOL_VERSION_MISMATCH", {{"worker", "1"}, {"coordinator", "2"}}});
  };
  StartAgent();
  EXPECT_TRUE(Until([&] { return ended_.load(); }));
  const absl::Status status = Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GetErrorInfo(status)->reason, "PROTOCOL_VERSION_MISMATCH");
  EXPECT_TRUE(coordinator_.leases().empty());
}

TEST_F(AgentTest, AWorkerMayStartBeforeItsCoordinator) {
  coordinator_.Stop();
  StartAgent();
  time_.Advance(absl::Seconds(30));
  coordinator_.Start();
  EXPECT_TRUE(Until([&] { return coordinator_.leases().size() == 1; }));
  EXPECT_TRUE(Finish().ok());
}

}  // namespace
}  // namespace besa::worker
