// For tests of the Coordinator: one on a real SQLite file, with a clock that moves by hand, that can be restarted.
#pragma once

#include <memory>
#include <string>

#include "server/scheduler/coordinator.h"
#include "server/scheduler/housekeeper.h"
#include "server/scheduler/scheduler_testing.h"
#include "server/state/sqlite_state_store.h"
#include "server/testing/temp_folder.h"

namespace besa::server::testing {

class CoordinatorBench {
 public:
  explicit CoordinatorBench(SchedulerOptions options = {}, int64_t keep_events = 1000);

  // The coordinator's process dies and a new one starts on the same state.
  void RestartCoordinator();
  // Goes on through `other`, which passes on to `store`.
  void WorkThrough(StateStore& other);

  // Registers the process. Its memory suffices for every TestResult unless stated.
  absl::Status Register(const TestWorker& worker);
  absl::StatusOr<v1::LeaseTaskResponse> Lease(const TestWorker& worker, const std::string& request_id,
                                              const v1::Cursor& cursor = {});
  absl::StatusOr<v1::HeartbeatResponse> Heartbeat(const TestWorker& worker, const v1::Assignment& assignment,
                                                  int64_t step = 0);
  absl::Status Commit(const TestWorker& worker, const v1::Assignment& assignment, int variant = 0);
  absl::Status Fail(const TestWorker& worker, const v1::Assignment& assignment, v1::FailureReason reason);

  // Creates a job whose output is its own; returns its name.
  std::string CreateJob(int blocks, bool evaluation = true, v1::Schedule schedule = v1::SCHEDULE_INDEPENDENT);
  // Leases and commits with this worker, and publishes, until nothing is left to do.
  void WorkOff(const TestWorker& worker);

  SchedulerOptions options;
  int64_t keep_events;
  TempFolder folder;
  ManualClock clock;
  ChangeNotifier notifier;
  std::unique_ptr<SqliteStateStore> store;
  std::unique_ptr<Coordinator> coordinator;
  std::unique_ptr<Housekeeper> housekeeper;

 private:
  int jobs_ = 0;
  int requests_ = 0;
};

}  // namespace besa::server::testing
