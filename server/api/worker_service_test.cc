#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/api/api_testing.h"
#include "server/testing/scripted_task.h"

namespace besa::server {
namespace {

using ::besa::server::testing::Call;
using ::besa::server::testing::InfoOf;
using ::besa::server::testing::TestService;
using ::testing::HasSubstr;

// A LeaseTask under way.
struct PendingLease {
  grpc::ClientContext context;
  v1::LeaseTaskRequest request;
  v1::LeaseTaskResponse response;
  std::promise<grpc::Status> done;
};

class WorkerServiceTest : public ::testing::Test {
 protected:
  std::unique_ptr<PendingLease> BeginLease(const v1::LeaseTaskRequest& request) {
    auto lease = std::make_unique<PendingLease>();
    lease->request = request;
    service_.worker().async()->LeaseTask(&lease->context, &lease->request, &lease->response,
                                         [state = lease.get()](grpc::Status status) { state->done.set_value(status); });
    return lease;
  }

  TestService service_;
};

TEST_F(WorkerServiceTest, RefusesAnotherProtocolVersionNamingBoth) {
  v1::RegisterWorkerRequest request;
  request.set_protocol_version(42);
  request.mutable_worker()->set_name("workers/w");
  v1::RegisterWorkerResponse response;
  Call call;
  const grpc::Status status = service_.worker().RegisterWorker(&call, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("version 42"));
  const ErrorInfo info = InfoOf(status);
  EXPECT_EQ(info.reason, "PROTOCOL_VERSION_MISMATCH");
  EXPECT_EQ(info.metadata.at("worker_version"), "42");
  EXPECT_EQ(info.metadata.at("coordinator_version"), "1");
}

TEST_F(WorkerServiceTest, ARegisteredWorkerIsListed) {
  service_.Register("w");
  v1::ListWorkersResponse response;
  Call call;
  ASSERT_TRUE(service_.fleet().ListWorkers(&call, {}, &response).ok());
  ASSERT_EQ(response.workers_size(), 1);
  EXPECT_EQ(response.workers(0).name(), "workers/w");
  EXPECT_EQ(response.workers(0).state(), v1::WORKER_STATE_IDLE);
}

TEST_F(WorkerServiceTest, AnUnknownWorkerIsToldToRegister) {
  v1::LeaseTaskResponse response;
  Call call;
  const grpc::Status status = service_.worker().LeaseTask(&call, service_.LeaseRequest("stranger"), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(InfoOf(status).reason, "WORKER_UNKNOWN");
}

TEST_F(WorkerServiceTest, ALeaseRequestThatWaitsInVainComesBackEmpty) {
  service_.Register("w");
  const absl::Time began = absl::Now();
  v1::LeaseTaskResponse response;
  Call call;
  ASSERT_TRUE(service_.worker().LeaseTask(&call, service_.LeaseRequest("w", 80), &response).ok());
  EXPECT_FALSE(response.has_assignment());
  EXPECT_GE(absl::Now() - began, absl::Milliseconds(80));
}

TEST_F(WorkerServiceTest, AWaitingWorkerGetsTheJobThatArrives) {
  service_.Register("w");
  const auto waiting = BeginLease(service_.LeaseRequest("w", 9'000));
  const std::string job = service_.CreateJob(service_.Request("out")).name();
  ASSERT_TRUE(waiting->done.get_future().get().ok());
  EXPECT_EQ(waiting->response.assignment().lease().task(), job + "/tasks/prepare");
}

// More waiting workers than the server has threads, and it still answers.
TEST_F(WorkerServiceTest, WaitingHoldsNoThread) {
  constexpr int kWorkers = 100;
  std::vector<std::unique_ptr<PendingLease>> waiting;
  for (int i = 0; i < kWorkers; ++i) {
    const std::string name = "w" + std::to_string(i);
    service_.Register(name);
    waiting.push_back(BeginLease(service_.LeaseRequest(name, 9'000)));
  }
  const std::string job = service_.CreateJob(service_.Request("out")).name();
  EXPECT_EQ(service_.GetJob(job).name(), job);

  // Draining answers them all: one with the task, the others with nothing.
  service_.server().Stop(absl::Seconds(5));
  int assigned = 0;
  for (const auto& lease : waiting) {
    ASSERT_TRUE(lease->done.get_future().get().ok());
    assigned += lease->response.has_assignment() ? 1 : 0;
  }
  EXPECT_EQ(assigned, 1);
}

TEST_F(WorkerServiceTest, AWorkerThatHangsUpGetsNoTask) {
  service_.Register("gone");
  const auto waiting = BeginLease(service_.LeaseRequest("gone", 9'000));
  // One connection carries both, so the answer to this one shows that the other has arrived.
  service_.Register("here");
  waiting->context.TryCancel();
  EXPECT_EQ(waiting->done.get_future().get().error_code(), grpc::StatusCode::CANCELLED);
  ASSERT_TRUE(service_.WaitForEnd("LeaseTask", grpc::StatusCode::CANCELLED));
  service_.CreateJob(service_.Request("out"));
  EXPECT_TRUE(service_.Lease("here").has_value());
}

TEST_F(WorkerServiceTest, ACommitThatDoesNotFitItsTaskIsRefused) {
  service_.Register("w");
  service_.CreateJob(service_.Request("out"));
  const auto assignment = service_.Lease("w");
  ASSERT_TRUE(assignment.has_value());
  v1::CommitTaskRequest request;
  request.set_worker("workers/w");
  request.set_incarnation("w-1");
  *request.mutable_lease() = assignment->lease();
  request.mutable_result()->mutable_evaluation();
  v1::CommitTaskResponse response;
  Call call;
  EXPECT_EQ(service_.worker().CommitTask(&call, request, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(service_.Commit("w", *assignment).ok()) << "the lease is still held";
}

TEST_F(WorkerServiceTest, ACommitMayBeRepeatedAndALaterOneIsRefused) {
  service_.Register("w");
  service_.CreateJob(service_.Request("out"));
  const auto assignment = service_.Lease("w");
  ASSERT_TRUE(service_.Commit("w", *assignment).ok());
  EXPECT_TRUE(service_.Commit("w", *assignment).ok());
  v1::HeartbeatRequest beat;
  beat.set_worker("workers/w");
  beat.set_incarnation("w-1");
  *beat.mutable_lease() = assignment->lease();
  v1::HeartbeatResponse response;
  Call call;
  EXPECT_EQ(service_.worker().Heartbeat(&call, beat, &response).error_code(), grpc::StatusCode::ABORTED);
}

}  // namespace
}  // namespace besa::server
