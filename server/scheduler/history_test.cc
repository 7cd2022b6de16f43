// Random histories: workers that crash, pause, lose answers and repeat themselves, coordinators that restart, people
// who cancel, retry and delete, thousands of moves from a seed. After each move the history so far has to be one that
// the guarantees allow:
//   - a task has at most one live lease,
//   - a task is committed once, and what is committed stays as it is and is never leased again,
//   - nothing is granted or committed in a job after its cancel was answered,
//   - in a sequential job no block begins before all those before it are committed,
//   - a watch sees every version once, and what it saw adds up to the state,
// and once the faults stop every job ends.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

#include "server/scheduler/coordinator_testing.h"
#include "server/scheduler/plan.h"

namespace besa::server {
namespace {

using testing::CoordinatorBench;
using testing::TestWorker;

constexpr int kMoves = 3000;

// A message that was sent once and may arrive again.
struct Sent {
  enum class Kind { kHeartbeat, kCommit, kFail };
  Kind kind = Kind::kHeartbeat;
  TestWorker from;
  v1::Assignment assignment;
  int variant = 0;
};

struct Process {
  TestWorker worker;
  int incarnations = 1;
  int requests = 0;
  std::vector<v1::Assignment> running;
};

// What a watcher has pieced together from the messages it got.
struct Watched {
  WatchPosition position;
  v1::Job job;
  std::map<std::string, v1::Task> tasks;
  bool reset_seen = false;
};

class History {
 public:
  explicit History(uint32_t seed) : random_(seed), bench_(Options()) {
    for (int i = 0; i < 3; ++i) {
      Process& process = processes_.emplace_back();
      process.worker.name = absl::StrCat("workers/w", i);
      StartAnew(process);
    }
    NewJob();
  }

  void Play() {
    for (int move = 0; move < kMoves && !::testing::Test::HasFatalFailure(); ++move) {
      SCOPED_TRACE(absl::StrCat("move ", move));
      Move();
      Check();
    }
    Finish();
  }

  int grants() const { return grants_; }
  int expiries() const { return expiries_; }
  int succeeded() const { return succeeded_; }

 private:
  static SchedulerOptions Options() {
    SchedulerOptions options;
    options.max_attempts = 4;
    return options;
  }

  int Roll(int sides) { return std::uniform_int_distribution<int>(0, sides - 1)(random_); }
  Process& AnyProcess() { return processes_[Roll(static_cast<int>(processes_.size()))]; }

  void Move() {
    const int roll = Roll(1000);
    if (roll < 250) return AskForWork(AnyProcess());
    if (roll < 450) return Beat(AnyProcess());
    if (roll < 600) return Commit(AnyProcess());
    if (roll < 660) return Fail(AnyProcess());
    if (roll < 690) return StartAnew(AnyProcess());
    if (roll < 800) return Pass(absl::Seconds(1 + Roll(12)));
    if (roll < 810) return Pass(2 * bench_.options.lease_term);
    if (roll < 880) return SendAgain();
    if (roll < 895) return bench_.RestartCoordinator();
    if (roll < 910) return bench_.clock.JumpWallClock(absl::Minutes(Roll(600) - 300));
    if (roll < 950) return Publish();
    if (roll < 975) return NewJob();
    if (roll < 982) return CancelAJob();
    if (roll < 995) return RetryAJob();
    return DeleteAJob();
  }

  // -- Moves

  void NewJob() {
    if (jobs_.size() >= 4) return DeleteAJob();
    const v1::Schedule schedule = Roll(2) == 0 ? v1::SCHEDULE_SEQUENTIAL : v1::SCHEDULE_INDEPENDENT;
    jobs_[bench_.CreateJob(1 + Roll(4), Roll(2) == 0, schedule)] = {};
  }

  void StartAnew(Process& process) {
    process.worker.incarnation = absl::StrCat("i", process.incarnations++);
    process.worker.held.clear();
    process.running.clear();
    ASSERT_TRUE(bench_.Register(process.worker).ok());
  }

  void AskForWork(Process& process) {
    if (process.running.size() >= 2) return;
    v1::Cursor cursor;
    if (!jobs_.empty()) cursor.set_job(jobs_.begin()->first);
    cursor.set_block(Roll(4));
    const std::string request = absl::StrCat("r", process.requests++);
    auto response = bench_.Lease(process.worker, request, cursor);
    ASSERT_TRUE(response.ok()) << response.status();
    if (Roll(8) == 0) return NoteGrant(process, *response);  // the answer is lost on its way
    if (Roll(8) == 0) {                                      // the call arrives twice
      const auto again = bench_.Lease(process.worker, request, cursor);
      ASSERT_TRUE(again.ok()) << again.status();
      if (response->has_assignment()) {
        ASSERT_EQ(again->assignment().lease().id(), response->assignment().lease().id()) << "the same grant";
      }
      response = again;
    }
    NoteGrant(process, *response);
    if (!response->has_assignment()) return;
    for (const v1::Assignment& known : process.running) {
      if (known.lease().id() == response->assignment().lease().id()) return;
    }
    process.running.push_back(response->assignment());
    process.worker.held.push_back(response->assignment().lease().id());
  }

  void NoteGrant(const Process& process, const v1::LeaseTaskResponse& response) {
    if (!response.has_assignment()) return;
    ++grants_;
    const std::string& task = response.assignment().lease().task();
    EXPECT_FALSE(committed_.contains(task)) << task << " was leased to " << process.worker.name << " after its commit";
    EXPECT_FALSE(cancelled_.contains(JobOf(task))) << task << " was leased after its job was cancelled";
  }

  void Beat(Process& process) {
    for (size_t i = 0; i < process.running.size(); ++i) {
      const v1::Assignment assignment = process.running[i];
      Remember({Sent::Kind::kHeartbeat, process.worker, assignment});
      const auto response = bench_.Heartbeat(process.worker, assignment, Roll(100));
      if (absl::IsAborted(response.status())) {
        Drop(process, i--);
        continue;
      }
      ASSERT_TRUE(response.ok()) << response.status();
      if (!response->cancel() || Roll(3) == 0) continue;  // some are slow to stop
      const absl::Status status = bench_.Fail(process.worker, assignment, v1::FAILURE_REASON_CANCELLED);
      EXPECT_TRUE(status.ok() || absl::IsAborted(status)) << status;
      Drop(process, i--);
    }
  }

  void Commit(Process& process) {
    if (process.running.empty()) return;
    const size_t index = Roll(static_cast<int>(process.running.size()));
    const v1::Assignment assignment = process.running[index];
    const int variant = Roll(3);
    Remember({Sent::Kind::kCommit, process.worker, assignment, variant});
    SendCommit(process.worker, assignment, variant);
    if (Roll(6) != 0) Drop(process, index);  // otherwise the answer was lost and it will try again
  }

  void SendCommit(const TestWorker& worker, const v1::Assignment& assignment, int variant) {
    const std::string& task = assignment.lease().task();
    const absl::Status status = bench_.Commit(worker, assignment, variant);
    if (!status.ok()) {
      EXPECT_TRUE(absl::IsAborted(status)) << status;
      return;
    }
    const std::pair<int, int> won = {assignment.lease().attempt(), variant};
    const auto [entry, first] = committed_.emplace(task, won);
    EXPECT_EQ(entry->second, won) << task << " was committed twice";
    if (first) {
      EXPECT_FALSE(cancelled_.contains(JobOf(task))) << task << " was committed after its job was cancelled";
    }
  }

  void Fail(Process& process) {
    if (process.running.empty()) return;
    const size_t index = Roll(static_cast<int>(process.running.size()));
    const v1::Assignment assignment = process.running[index];
    Remember({Sent::Kind::kFail, process.worker, assignment});
    constexpr v1::FailureReason kReasons[] = {v1::FAILURE_REASON_DRAINED,       v1::FAILURE_REASON_DRAINED,
                                              v1::FAILURE_REASON_INTERNAL,      v1::FAILURE_REASON_STORAGE,
                                              v1::FAILURE_REASON_OUT_OF_MEMORY, v1::FAILURE_REASON_BAD_NUMBERS};
    const absl::Status status = bench_.Fail(process.worker, assignment, kReasons[Roll(6)]);
    EXPECT_TRUE(status.ok() || absl::IsAborted(status)) << status;
    Drop(process, index);
  }

  // The network delivers a message again, late and out of order.
  void SendAgain() {
    if (sent_.empty()) return;
    const Sent sent = sent_[Roll(static_cast<int>(sent_.size()))];
    if (sent.kind == Sent::Kind::kCommit) return SendCommit(sent.from, sent.assignment, sent.variant);
    const absl::Status status = sent.kind == Sent::Kind::kHeartbeat
                                    ? bench_.Heartbeat(sent.from, sent.assignment).status()
                                    : bench_.Fail(sent.from, sent.assignment, v1::FAILURE_REASON_INTERNAL);
    EXPECT_TRUE(status.ok() || absl::IsAborted(status)) << status;
  }

  void Pass(absl::Duration duration) {
    bench_.clock.Advance(duration);
    const size_t before = bench_.store->LiveLeases()->size();
    ASSERT_TRUE(bench_.housekeeper->Tick().ok());
    expiries_ += static_cast<int>(before - bench_.store->LiveLeases()->size());
  }

  void Publish() {
    const auto claim = bench_.coordinator->ClaimPublishing(absl::StrCat("p", claims_++));
    ASSERT_TRUE(claim.ok()) << claim.status();
    if (!claim->has_value()) return;
    for (const v1::Task& task : (*claim)->tasks) EXPECT_EQ(task.state(), v1::TASK_STATE_COMMITTED);
    const std::string job = (*claim)->job_name;
    const int roll = Roll(4);
    if (roll == 0) return;  // the publisher dies
    if (roll == 1) {
      v1::JobError error;
      error.set_reason(v1::FAILURE_REASON_STORAGE);
      EXPECT_TRUE(bench_.coordinator->FailPublishing(job, (*claim)->claim, error).ok());
      return;
    }
    EXPECT_TRUE(bench_.coordinator->FinishPublishing(job, (*claim)->claim).ok());
    ++succeeded_;
  }

  std::string AnyJob() {
    if (jobs_.empty()) return "";
    auto job = jobs_.begin();
    std::advance(job, Roll(static_cast<int>(jobs_.size())));
    return job->first;
  }

  void CancelAJob() {
    const std::string job = AnyJob();
    if (job.empty()) return;
    const absl::Status status = bench_.coordinator->CancelJob(job).status();
    EXPECT_TRUE(status.ok() || absl::IsFailedPrecondition(status)) << status;
    if (status.ok()) cancelled_.insert(job);
  }

  void RetryAJob() {
    const std::string job = AnyJob();
    if (job.empty()) return;
    const absl::Status status = bench_.coordinator->RetryJob(job).status();
    EXPECT_TRUE(status.ok() || absl::IsFailedPrecondition(status)) << status;
  }

  void DeleteAJob() {
    const std::string job = AnyJob();
    if (job.empty()) return;
    const absl::Status status = bench_.coordinator->DeleteJob(job);
    EXPECT_TRUE(status.ok() || absl::IsFailedPrecondition(status)) << status;
    if (status.ok()) jobs_.erase(job);
  }

  void Drop(Process& process, size_t index) {
    const std::string id = process.running[index].lease().id();
    process.running.erase(process.running.begin() + static_cast<std::ptrdiff_t>(index));
    std::erase(process.worker.held, id);
  }

  void Remember(Sent sent) {
    if (sent_.size() < 200) return sent_.push_back(std::move(sent));
    sent_[Roll(200)] = std::move(sent);
  }

  static std::string JobOf(const std::string& task) { return task.substr(0, task.find("/tasks/")); }

  // -- What has to hold

  void Check() {
    for (auto& [name, watched] : jobs_) {
      const JobRows rows = *bench_.store->ReadJob(name.substr(5));
      for (const TaskRow& row : rows.tasks) {
        const bool live = row.lease && !row.lease->expired;
        ASSERT_EQ(row.task.state() == v1::TASK_STATE_LEASED, live) << row.task.name();
        int running = 0;
        for (const v1::Attempt& attempt : row.task.attempts()) {
          running += attempt.outcome() == v1::ATTEMPT_OUTCOME_UNSPECIFIED ? 1 : 0;
        }
        ASSERT_EQ(running, live ? 1 : 0) << "one attempt runs, under the one lease: " << row.task.name();
        const auto won = committed_.find(row.task.name());
        ASSERT_EQ(row.task.state() == v1::TASK_STATE_COMMITTED, won != committed_.end()) << row.task.name();
        if (won == committed_.end()) continue;
        ASSERT_EQ(row.task.result().attempt(), won->second.first) << "committed for good";
        const v1::TaskResult& result = row.task.result();
        const int64_t variant =
            result.has_evaluation() ? result.evaluation().texts(0).tokens() - 2550 : result.files(0).size() - 100;
        ASSERT_EQ(variant, won->second.second) << "with the result of that commit";
      }
      if (IsSequential(rows.job.job.spec())) CheckOrder(rows);
      if (Roll(10) == 0) Watch(name, watched, rows);
    }
  }

  static void CheckOrder(const JobRows& rows) {
    bool all_committed = true;
    for (const TaskRow& row : rows.tasks) {
      if (row.task.kind() != v1::TASK_KIND_PRUNE) continue;
      ASSERT_TRUE(all_committed || row.task.attempts().empty()) << row.task.name() << " began too early";
      all_committed = all_committed && row.task.state() == v1::TASK_STATE_COMMITTED;
    }
  }

  void Watch(const std::string& name, Watched& watched, const JobRows& rows) {
    bool more = true;
    while (more) {
      const WatchPage page = *bench_.coordinator->EventsSince(name, watched.position);
      int64_t version = watched.position.version;
      for (const v1::WatchJobResponse& message : page.messages) {
        if (message.has_snapshot()) {
          ASSERT_EQ(message.reset(), version != 0);
          watched.job = message.snapshot().job();
          for (const v1::Task& task : message.snapshot().tasks()) watched.tasks[task.name()] = task;
          version = message.version();
        } else if (message.has_progress()) {
          ASSERT_EQ(message.version(), version) << "progress has no version of its own";
        } else {
          ASSERT_EQ(message.version(), ++version) << "no version is missed";
          if (message.has_job()) watched.job = message.job();
          if (message.has_task()) watched.tasks[message.task().name()] = message.task();
        }
      }
      watched.position = page.next;
      more = page.more;
    }
    ASSERT_EQ(watched.job.state(), rows.job.job.state());
    ASSERT_EQ(watched.job.generation(), rows.job.job.generation());
    for (const TaskRow& row : rows.tasks) {
      const v1::Task& seen = watched.tasks[row.task.name()];
      ASSERT_EQ(seen.state(), row.task.state()) << row.task.name();
      ASSERT_EQ(seen.attempts_size(), row.task.attempts_size());
    }
  }

  // No more faults: healthy workers finish what there is.
  void Finish() {
    for (Process& process : processes_) StartAnew(process);
    for (const auto& [name, watched] : jobs_) {
      if (bench_.coordinator->GetJob(name)->state() == v1::JOB_STATE_FAILED) {
        ASSERT_TRUE(bench_.coordinator->RetryJob(name).ok());
      }
    }
    for (int round = 0; round < 3; ++round) {
      bench_.WorkOff(processes_[0].worker);
      Pass(absl::ZeroDuration());
      Pass(bench_.options.lease_term);
    }
    for (const auto& [name, watched] : jobs_) {
      const v1::JobState state = bench_.coordinator->GetJob(name)->state();
      EXPECT_EQ(state, cancelled_.contains(name) ? v1::JOB_STATE_CANCELLED : v1::JOB_STATE_SUCCEEDED) << name;
    }
    EXPECT_TRUE(bench_.store->LiveLeases()->empty());
  }

  std::mt19937 random_;
  CoordinatorBench bench_;
  std::vector<Process> processes_;
  std::map<std::string, Watched> jobs_;
  // Task to (attempt, variant) of its commit.
  std::map<std::string, std::pair<int, int>> committed_;
  std::set<std::string> cancelled_;
  std::vector<Sent> sent_;
  int claims_ = 0;
  int grants_ = 0;
  int expiries_ = 0;
  int succeeded_ = 0;
};

class HistoryTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(HistoryTest, EveryMoveKeepsTheGuarantees) {
  History history(GetParam());
  history.Play();
  // That the seed reached what it is meant to try.
  EXPECT_GT(history.grants(), 100);
  EXPECT_GT(history.expiries(), 5);
  EXPECT_GT(history.succeeded(), 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, HistoryTest, ::testing::Range(1u, 9u));

}  // namespace
}  // namespace besa::server
