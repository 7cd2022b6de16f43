// For tests of the scheduler: one job in memory, moved on by hand, and results that fit its tasks.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "besa/v1/worker_service.pb.h"

#include "server/scheduler/context.h"
#include "server/scheduler/creation.h"
#include "server/scheduler/holder.h"
#include "storage/base/clock.h"

namespace besa::server::testing {

// A clock that moves when told to. The wall clock may be moved alone: it may jump, the steady one may not.
class ManualClock : public Clock {
 public:
  absl::Time Now() const override { return now_; }
  absl::Duration Steady() const override { return steady_; }
  void Advance(absl::Duration duration) {
    now_ += duration;
    steady_ += duration;
  }
  void JumpWallClock(absl::Duration duration) { now_ += duration; }

 private:
  absl::Time now_ = absl::FromUnixSeconds(1'750'000'000);
  absl::Duration steady_ = absl::Seconds(100);
};

// A process that works. `held`: what it would list in its lease requests; `leaving`: what it says with its commits.
struct TestWorker {
  std::string name = "workers/a";
  std::string incarnation = "a-1";
  int64_t memory_bytes = int64_t{16} << 30;
  std::vector<std::string> held;
  bool leaving = false;
  int32_t most_blocks = 1;
};

NewJob TestRequest(int blocks, bool evaluation, v1::Schedule schedule = v1::SCHEDULE_INDEPENDENT);
// A result that fits a task of that kind; `variant` makes another one.
v1::TaskResult TestResult(const v1::Assignment& assignment, int variant = 0);
Holder HolderOf(const TestWorker& worker, const v1::Assignment& assignment);

// Memory needs that TestResult of a prepare task states.
inline constexpr int64_t kBlockMemory = int64_t{4} << 30;
inline constexpr int64_t kEvaluationMemory = int64_t{2} << 30;
inline constexpr int64_t kComparisonMemory = int64_t{3} << 30;

// A job whose rows live here: every method runs one step of the scheduler and applies its changes, checking that the
// events are numbered without gap and that no committed task changes.
class TestJob {
 public:
  explicit TestJob(const NewJob& request);
  explicit TestJob(int blocks = 3, bool evaluation = true, v1::Schedule schedule = v1::SCHEDULE_INDEPENDENT);

  // Asks for a task. The worker takes note of the lease.
  std::optional<v1::Assignment> Lease(TestWorker& worker, absl::string_view request_id = "",
                                      std::optional<int32_t> cursor = std::nullopt);
  // All that it is given at once.
  std::vector<v1::Assignment> LeaseAll(TestWorker& worker, absl::string_view request_id = "",
                                       std::optional<int32_t> cursor = std::nullopt);
  absl::Status Commit(const TestWorker& worker, const v1::Assignment& assignment, int variant = 0);
  absl::Status Commit(const TestWorker& worker, const v1::Assignment& assignment, const v1::TaskResult& result);
  absl::Status Fail(const TestWorker& worker, const v1::Assignment& assignment, v1::FailureReason reason,
                    absl::string_view message = "it broke");
  // Whether the worker is told to stop.
  absl::StatusOr<bool> Beat(const TestWorker& worker, const v1::Assignment& assignment,
                            const v1::TaskProgress& progress = {});
  // The housekeeper saw the task's lease stand still for a term.
  void Expire(absl::string_view task_id);
  void Restart(TestWorker& worker, absl::string_view incarnation);
  absl::Status Cancel();
  absl::Status Retry(bool ignore_gates = false);

  // Leases and commits until `worker` gets nothing more; returns the ids of the tasks in the order it got them.
  std::vector<std::string> WorkOff(TestWorker& worker);
  // Works until the next task would be that one and leases it.
  v1::Assignment WorkUpTo(TestWorker& worker, absl::string_view task_id);

  void Apply(const JobChanges& changes);

  const v1::Job& job() const { return rows.job.job; }
  v1::JobState state() const { return rows.job.job.state(); }
  TaskRow& task(absl::string_view id);
  v1::TaskState task_state(absl::string_view id) { return task(id).task.state(); }
  const v1::Attempt& last_attempt(absl::string_view id);

  Context context;
  JobRows rows;
  std::vector<v1::WatchJobResponse> events;
  std::vector<GarbageRow> garbage;
  std::vector<std::string> rescued;
  bool erased = false;

 private:
  int requests_ = 0;
};

}  // namespace besa::server::testing
