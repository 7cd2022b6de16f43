#include "server/scheduler/coordinator_testing.h"

#include <gtest/gtest.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace besa::server::testing {

CoordinatorBench::CoordinatorBench(SchedulerOptions with, int64_t events)
    : options(std::move(with)), keep_events(events) {
  options.workspace_uri = "/workspace";
  RestartCoordinator();
}

void CoordinatorBench::RestartCoordinator() {
  housekeeper.reset();
  coordinator.reset();
  store.reset();
  auto opened = SqliteStateStore::Open({.path = folder.path() / "state.db", .keep_events = keep_events}, clock);
  EXPECT_TRUE(opened.ok()) << opened.status();
  store = *std::move(opened);
  WorkThrough(*store);
}

void CoordinatorBench::WorkThrough(StateStore& other) {
  const auto new_job_id = [this] { return absl::StrCat("j", ++jobs_); };
  coordinator = std::make_unique<Coordinator>(other, notifier, clock, new_job_id, options);
  housekeeper = std::make_unique<Housekeeper>(*coordinator, other, clock);
}

absl::Status CoordinatorBench::Register(const TestWorker& worker) {
  v1::RegisterWorkerRequest request;
  request.set_protocol_version(v1::PROTOCOL_VERSION_1);
  request.mutable_worker()->set_name(worker.name);
  request.mutable_worker()->set_incarnation(worker.incarnation);
  request.mutable_worker()->mutable_device()->set_memory_bytes(worker.memory_bytes);
  return coordinator->RegisterWorker(request).status();
}

absl::StatusOr<v1::LeaseTaskResponse> CoordinatorBench::Lease(const TestWorker& worker, const std::string& request_id,
                                                              const v1::Cursor& cursor) {
  v1::LeaseTaskRequest request;
  request.set_worker(worker.name);
  request.set_incarnation(worker.incarnation);
  request.set_request_id(request_id);
  for (const std::string& lease : worker.held) request.add_held_leases(lease);
  *request.mutable_cursor() = cursor;
  return coordinator->Lease(request);
}

absl::StatusOr<v1::HeartbeatResponse> CoordinatorBench::Heartbeat(const TestWorker& worker,
                                                                  const v1::Assignment& assignment, int64_t step) {
  v1::HeartbeatRequest request;
  request.set_worker(worker.name);
  request.set_incarnation(worker.incarnation);
  *request.mutable_lease() = assignment.lease();
  request.mutable_progress()->set_stage("train");
  request.mutable_progress()->set_step(step);
  return coordinator->Heartbeat(request);
}

absl::Status CoordinatorBench::Commit(const TestWorker& worker, const v1::Assignment& assignment, int variant) {
  v1::CommitTaskRequest request;
  request.set_worker(worker.name);
  request.set_incarnation(worker.incarnation);
  *request.mutable_lease() = assignment.lease();
  *request.mutable_result() = TestResult(assignment, variant);
  return coordinator->Commit(request);
}

absl::Status CoordinatorBench::Fail(const TestWorker& worker, const v1::Assignment& assignment,
                                    v1::FailureReason reason) {
  v1::FailTaskRequest request;
  request.set_worker(worker.name);
  request.set_incarnation(worker.incarnation);
  *request.mutable_lease() = assignment.lease();
  request.set_reason(reason);
  request.set_message("it broke");
  return coordinator->Fail(request);
}

std::string CoordinatorBench::CreateJob(int blocks, bool evaluation, v1::Schedule schedule) {
  NewJob request = TestRequest(blocks, evaluation, schedule);
  request.output_key = absl::StrCat("/out/", jobs_);
  const auto job = coordinator->CreateJob(request);
  EXPECT_TRUE(job.ok()) << job.status();
  return job->name();
}

void CoordinatorBench::WorkOff(const TestWorker& worker) {
  while (true) {
    const auto response = Lease(worker, absl::StrCat("work-off-", ++requests_));
    ASSERT_TRUE(response.ok()) << response.status();
    if (!response->has_assignment()) break;
    clock.Advance(absl::Seconds(2));
    ASSERT_TRUE(Commit(worker, response->assignment()).ok());
  }
  while (true) {
    const auto claim = coordinator->ClaimPublishing("work-off");
    ASSERT_TRUE(claim.ok()) << claim.status();
    if (!claim->has_value()) break;
    ASSERT_TRUE(coordinator->FinishPublishing((*claim)->job_name, (*claim)->claim).ok());
  }
}

}  // namespace besa::server::testing
