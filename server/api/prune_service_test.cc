#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/api/api_testing.h"
#include "server/publisher/sweeper.h"

namespace besa::server {
namespace {

using ::besa::server::testing::Call;
using ::besa::server::testing::InfoOf;
using ::besa::server::testing::TestService;
using ::besa::server::testing::WriteFile;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kRequestId[] = "7d444840-9dc0-11d1-b245-5ffdce74fad2";

class PruneServiceTest : public ::testing::Test {
 protected:
  std::vector<v1::Task> ListTasks(const std::string& job) {
    v1::ListTasksRequest request;
    request.set_parent(job);
    v1::ListTasksResponse response;
    Call call;
    EXPECT_TRUE(service_.prune().ListTasks(&call, request, &response).ok());
    return {response.tasks().begin(), response.tasks().end()};
  }

  grpc::Status Create(const v1::CreateJobRequest& request, v1::Job* job) {
    Call call;
    return service_.prune().CreateJob(&call, request, job);
  }

  grpc::Status Estimate(const v1::EstimateJobRequest& request, v1::EstimateJobResponse* estimate) {
    Call call;
    return service_.prune().EstimateJob(&call, request, estimate);
  }

  template <class Request>
  grpc::Status OnJob(grpc::Status (v1::PruneService::Stub::*method)(grpc::ClientContext*, const Request&, v1::Job*),
                     const std::string& name, v1::Job* job) {
    Request request;
    request.set_name(name);
    Call call;
    return (service_.prune().*method)(&call, request, job);
  }

  bool OutputExists(const std::string& name) { return std::filesystem::exists(service_.folder().path() / name); }

  TestService service_;
};

TEST_F(PruneServiceTest, AJobFromSubmissionToAPublishedCheckpoint) {
  service_.Register("w");
  const v1::Job created = service_.CreateJob(service_.Request("out"));
  EXPECT_EQ(created.state(), v1::JOB_STATE_PENDING);
  EXPECT_EQ(created.model().blocks(), 2);
  EXPECT_EQ(created.spec().calibration().sequence_length(), 64);

  // prepare, two blocks, passthrough, two evaluations
  EXPECT_EQ(service_.WorkOff("w"), 6);
  EXPECT_EQ(service_.GetJob(created.name()).state(), v1::JOB_STATE_PUBLISHING);
  EXPECT_EQ(service_.publisher().RunOnce(), absl::ZeroDuration());

  const v1::Job done = service_.GetJob(created.name());
  EXPECT_EQ(done.state(), v1::JOB_STATE_SUCCEEDED) << done.error().message();
  EXPECT_EQ(done.result().zeros(), 576);
  EXPECT_EQ(done.result().weights(), 1152);
  ASSERT_EQ(done.result().evaluations_size(), 1);
  EXPECT_EQ(done.result().evaluations(0).name(), "text");
  EXPECT_DOUBLE_EQ(done.result().evaluations(0).dense().perplexity(), 20.0);
  EXPECT_DOUBLE_EQ(done.result().evaluations(0).pruned().perplexity(), 25.0);
  EXPECT_TRUE(OutputExists("out/besa_manifest.json"));
  EXPECT_TRUE(OutputExists("out/model-00005-of-00005.safetensors"));

  ASSERT_TRUE(Sweep(service_.coordinator(), service_.store(), service_.workspace()).ok());
  EXPECT_TRUE(service_.store().List(service_.workspace())->empty());
  for (const v1::Task& task : ListTasks(created.name())) {
    EXPECT_EQ(task.state(), v1::TASK_STATE_COMMITTED);
    EXPECT_EQ(task.attempts_size(), 1);
  }
}

TEST_F(PruneServiceTest, ARestartedCoordinatorGoesOnWhereItStopped) {
  service_.Register("w");
  const std::string name = service_.CreateJob(service_.Request("out")).name();
  const auto prepare = service_.Lease("w");
  ASSERT_TRUE(prepare.has_value());
  ASSERT_TRUE(service_.Commit("w", *prepare).ok());
  const auto held = service_.Lease("w");
  ASSERT_TRUE(held.has_value());

  service_.Restart();
  // The lease and what was committed are still there.
  EXPECT_TRUE(service_.Commit("w", *held).ok());
  EXPECT_EQ(service_.WorkOff("w"), 4);
  service_.publisher().RunOnce();
  EXPECT_EQ(service_.GetJob(name).state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(PruneServiceTest, AnErrorNamesTheFieldOverTheWireToo) {
  v1::CreateJobRequest request = service_.Request("out");
  request.mutable_job()->mutable_spec()->set_sparsity(1.2);
  v1::Job job;
  const grpc::Status status = Create(request, &job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("sparsity: 1.2"));
  const ErrorInfo info = InfoOf(status);
  EXPECT_EQ(info.reason, "FIELD_INVALID");
  EXPECT_EQ(info.metadata.at("field"), "sparsity");
  EXPECT_EQ(info.metadata.at("value"), "1.2");
}

TEST_F(PruneServiceTest, ARepeatedRequestIdReturnsTheSameJob) {
  v1::CreateJobRequest request = service_.Request("out");
  request.set_request_id(kRequestId);
  const v1::Job first = service_.CreateJob(request);
  // Even when the output folder is no longer empty.
  WriteFile(service_.folder().path() / "out" / "model.safetensors", "published meanwhile");
  EXPECT_EQ(service_.CreateJob(request).name(), first.name());

  request.mutable_job()->mutable_spec()->set_sparsity(0.6);
  v1::Job other;
  const grpc::Status status = Create(request, &other);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(status.error_message(), HasSubstr(kRequestId));
}

TEST_F(PruneServiceTest, TwoLiveJobsCannotHaveOneOutput) {
  service_.CreateJob(service_.Request("out"));
  v1::Job second;
  EXPECT_EQ(Create(service_.Request("out"), &second).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(PruneServiceTest, ValidateOnlyChecksAndStoresNothing) {
  v1::CreateJobRequest request = service_.Request("out");
  request.set_validate_only(true);
  EXPECT_EQ(service_.CreateJob(request).spec().method().preset(), v1::PRESET_DEFAULT);
  v1::ListJobsResponse jobs;
  Call call;
  ASSERT_TRUE(service_.prune().ListJobs(&call, {}, &jobs).ok());
  EXPECT_EQ(jobs.jobs_size(), 0);
  EXPECT_FALSE(OutputExists("out"));

  request.mutable_job()->mutable_spec()->set_model_uri("/etc");
  v1::Job job;
  EXPECT_EQ(Create(request, &job).error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(PruneServiceTest, EstimateTellsWhatAJobWouldTakeAndStoresNothing) {
  v1::EstimateJobRequest request;
  *request.mutable_job() = service_.Request("out").job();
  request.set_device_kind("cpu");
  request.set_workers(2);
  v1::EstimateJobResponse estimate;
  ASSERT_TRUE(Estimate(request, &estimate).ok());
  EXPECT_EQ(estimate.spec().calibration().sequence_length(), 64) << "with every default";
  EXPECT_EQ(estimate.model().blocks(), 2);
  EXPECT_EQ(estimate.workers(), 2);
  EXPECT_EQ(estimate.device(), "cpu");
  EXPECT_GT(estimate.seconds(), estimate.prune_seconds());
  EXPECT_GT(estimate.prune_seconds(), 0);
  EXPECT_GT(estimate.bytes_read(), estimate.model().bytes());
  EXPECT_GT(estimate.bytes_written(), estimate.model().bytes());
  EXPECT_GT(estimate.block_memory_bytes(), 0);
  EXPECT_GT(estimate.evaluation_memory_bytes(), 0);
  EXPECT_FALSE(estimate.basis().empty());

  v1::ListJobsResponse jobs;
  Call call;
  ASSERT_TRUE(service_.prune().ListJobs(&call, {}, &jobs).ok());
  EXPECT_EQ(jobs.jobs_size(), 0);
  EXPECT_FALSE(OutputExists("out"));
}

TEST_F(PruneServiceTest, EstimateChecksWhatCreateJobChecks) {
  v1::EstimateJobRequest request;
  *request.mutable_job() = service_.Request("out").job();
  request.set_device_kind("h200");
  request.set_workers(-1);
  v1::EstimateJobResponse estimate;
  EXPECT_EQ(InfoOf(Estimate(request, &estimate)).metadata.at("field"), "workers");
  request.set_workers(1);
  request.mutable_job()->mutable_spec()->set_sparsity(1.2);
  const grpc::Status status = Estimate(request, &estimate);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(InfoOf(status).metadata.at("field"), "sparsity");
  request.mutable_job()->mutable_spec()->set_sparsity(0.5);
  request.mutable_job()->mutable_spec()->set_model_uri("/etc");
  EXPECT_EQ(Estimate(request, &estimate).error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(PruneServiceTest, EstimateIsForADeviceOfWhichSomethingIsKnown) {
  v1::EstimateJobRequest request;
  *request.mutable_job() = service_.Request("out").job();
  v1::EstimateJobResponse estimate;
  for (const char* kind : {"", "abacus"}) {
    request.set_device_kind(kind);
    const grpc::Status status = Estimate(request, &estimate);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION) << kind;
    EXPECT_EQ(InfoOf(status).reason, "DEVICE_UNKNOWN");
    EXPECT_EQ(InfoOf(status).metadata.at("field"), "device_kind");
  }
  request.clear_device_kind();
  service_.Register("w");
  service_.Register("x");
  ASSERT_TRUE(Estimate(request, &estimate).ok()) << "the connected workers'";
  EXPECT_EQ(estimate.workers(), 2);
  EXPECT_THAT(estimate.basis(), Contains(HasSubstr("no block has been pruned on")));
}

TEST_F(PruneServiceTest, ListsPagesNewestFirstAndFilters) {
  std::vector<std::string> names;
  for (const char* name : {"first", "second", "third"}) {
    v1::CreateJobRequest request = service_.Request(name);
    request.mutable_job()->mutable_spec()->set_display_name(name);
    service_.CreateJob(request);
  }
  const auto list = [&](v1::ListJobsRequest request, std::string* next) {
    v1::ListJobsResponse response;
    Call call;
    EXPECT_TRUE(service_.prune().ListJobs(&call, request, &response).ok());
    *next = response.next_page_token();
    std::vector<std::string> shown;
    for (const v1::Job& job : response.jobs()) shown.push_back(job.spec().display_name());
    return shown;
  };
  v1::ListJobsRequest request;
  std::string next;
  request.set_page_size(2);
  EXPECT_THAT(list(request, &next), ElementsAre("third", "second"));
  request.set_page_token(next);
  EXPECT_THAT(list(request, &next), ElementsAre("first"));
  EXPECT_EQ(next, "");

  request.Clear();
  request.set_filter("state = PENDING AND display_name = \"second\"");
  EXPECT_THAT(list(request, &next), ElementsAre("second"));

  request.set_filter("color = red");
  v1::ListJobsResponse response;
  Call call;
  const grpc::Status status = service_.prune().ListJobs(&call, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(InfoOf(status).metadata.at("field"), "filter");
}

TEST_F(PruneServiceTest, ACancelledJobLeavesNoTaskAndNoOutput) {
  service_.Register("w");
  const std::string name = service_.CreateJob(service_.Request("out")).name();
  const auto assignment = service_.Lease("w");
  ASSERT_TRUE(assignment.has_value());
  v1::Job job;
  ASSERT_TRUE(OnJob(&v1::PruneService::Stub::CancelJob, name, &job).ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLING);
  EXPECT_EQ(service_.Commit("w", *assignment).error_code(), grpc::StatusCode::ABORTED);
  EXPECT_FALSE(service_.Lease("w").has_value());
  EXPECT_EQ(service_.GetJob(name).state(), v1::JOB_STATE_CANCELLED);
  EXPECT_FALSE(OutputExists("out"));
}

TEST_F(PruneServiceTest, ARetriedJobKeepsWhatWasCommitted) {
  service_.Register("w");
  const std::string name = service_.CreateJob(service_.Request("out")).name();
  ASSERT_TRUE(service_.Commit("w", *service_.Lease("w")).ok());
  ASSERT_TRUE(service_.Fail("w", *service_.Lease("w"), v1::FAILURE_REASON_BAD_NUMBERS).ok());
  EXPECT_EQ(service_.GetJob(name).state(), v1::JOB_STATE_FAILED);

  v1::Job job;
  ASSERT_TRUE(OnJob(&v1::PruneService::Stub::RetryJob, name, &job).ok());
  EXPECT_EQ(job.generation(), 2);
  EXPECT_EQ(service_.WorkOff("w"), 5) << "all but prepare";
  service_.publisher().RunOnce();
  EXPECT_EQ(service_.GetJob(name).state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(PruneServiceTest, AJobWhoseInputsChangedIsNotRetried) {
  service_.Register("w");
  const std::string name = service_.CreateJob(service_.Request("out")).name();
  ASSERT_TRUE(service_.Commit("w", *service_.Lease("w")).ok());
  ASSERT_TRUE(service_.Fail("w", *service_.Lease("w"), v1::FAILURE_REASON_BAD_NUMBERS).ok());
  WriteFile(service_.folder().path() / "text.txt", "another text");
  v1::Job job;
  const grpc::Status status = OnJob(&v1::PruneService::Stub::RetryJob, name, &job);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("text.txt"));
  EXPECT_EQ(InfoOf(status).reason, "INPUT_CHANGED");
}

TEST_F(PruneServiceTest, DeletingForgetsTheJobAndKeepsItsOutput) {
  service_.Register("w");
  const std::string name = service_.CreateJob(service_.Request("out")).name();
  v1::DeleteJobRequest request;
  request.set_name(name);
  google::protobuf::Empty empty;
  {
    Call call;
    EXPECT_EQ(service_.prune().DeleteJob(&call, request, &empty).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  }
  service_.WorkOff("w");
  service_.publisher().RunOnce();
  {
    Call call;
    EXPECT_TRUE(service_.prune().DeleteJob(&call, request, &empty).ok());
  }
  v1::Job job;
  EXPECT_EQ(OnJob(&v1::PruneService::Stub::GetJob, name, &job).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(OutputExists("out/besa_manifest.json"));
}

TEST_F(PruneServiceTest, TasksAreSubResources) {
  const std::string name = service_.CreateJob(service_.Request("out")).name();
  EXPECT_EQ(ListTasks(name).size(), 6U);
  v1::GetTaskRequest request;
  request.set_name(name + "/tasks/prune-00001");
  v1::Task task;
  Call call;
  ASSERT_TRUE(service_.prune().GetTask(&call, request, &task).ok());
  EXPECT_EQ(task.kind(), v1::TASK_KIND_PRUNE);
  EXPECT_EQ(task.block(), 1);
  EXPECT_EQ(task.state(), v1::TASK_STATE_BLOCKED);
}

}  // namespace
}  // namespace besa::server
