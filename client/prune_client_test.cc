// The client against a real gRPC server.
#include "client/prune_client.h"

#include <atomic>
#include <future>
#include <set>

#include "client/testing/manual_time.h"
#include "client/testing/messages.h"
#include "client/testing/scripted_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/rpc_status.h"
#include "storage/base/error_info.h"

namespace besa::client {
namespace {

using grpc::Status;
using grpc::StatusCode;

class PruneClientTest : public testing::Test {
 protected:
  PruneClient::Options Options() { return {.target = server_.address(), .clock = &time_, .sleeper = &time_}; }

  ScriptedServer server_;
  ManualTime time_;
};

TEST_F(PruneClientTest, CreateIsRepeatedUnderOneRequestId) {
  std::set<std::string> ids;
  std::atomic<int> calls = 0;
  server_.prune.create_job = [&](const v1::CreateJobRequest& request, v1::Job* job) {
    ids.insert(request.request_id());
    if (++calls < 3) return Status(StatusCode::UNAVAILABLE, "restarting");
    *job = MakeJob(v1::JOB_STATE_PENDING, 1);
    return Status::OK;
  };
  PruneClient client(Options());
  const auto job = client.CreateJob({});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->name(), "jobs/j1");
  EXPECT_EQ(calls, 3);
  ASSERT_EQ(ids.size(), 1);
  EXPECT_EQ(ids.begin()->size(), 36);
  EXPECT_EQ(time_.sleeps().size(), 2);
}

TEST_F(PruneClientTest, AGivenRequestIdIsKept) {
  std::string id;
  server_.prune.create_job = [&](const v1::CreateJobRequest& request, v1::Job*) {
    id = request.request_id();
    return Status::OK;
  };
  v1::CreateJobRequest request;
  request.set_request_id("mine");
  ASSERT_TRUE(PruneClient(Options()).CreateJob(request).ok());
  EXPECT_EQ(id, "mine");
}

TEST_F(PruneClientTest, ErrorsArriveWithTheirFacts) {
  std::atomic<int> calls = 0;
  server_.prune.create_job = [&](const v1::CreateJobRequest&, v1::Job*) {
    ++calls;
    return ToGrpc(FieldError("job.spec.sparsity", "1.2", "a number between 0 and 1, both excluded"));
  };
  const auto job = PruneClient(Options()).CreateJob({});
  EXPECT_EQ(job.status().code(), absl::StatusCode::kInvalidArgument);
  const auto info = GetErrorInfo(job.status());
  ASSERT_TRUE(info);
  EXPECT_EQ(info->metadata.at("field"), "job.spec.sparsity");
  EXPECT_EQ(info->metadata.at("value"), "1.2");
  EXPECT_EQ(calls, 1);
}

TEST_F(PruneClientTest, ASlowServerIsGivenUpAtTheDeadline) {
  std::promise<void> done;
  const std::shared_future<void> answer = done.get_future().share();
  std::atomic<int> calls = 0;
  server_.prune.get_job = [&](const v1::GetJobRequest&, v1::Job*) {
    ++calls;
    answer.wait();
    return Status::OK;
  };
  auto options = Options();
  options.deadline = absl::Milliseconds(200);
  options.retry.max_attempts = 2;
  const auto job = PruneClient(options).GetJob("jobs/j1");
  done.set_value();
  server_.Stop();
  EXPECT_EQ(job.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(job.status().message()), testing::HasSubstr("within 200ms"));
  EXPECT_EQ(GetErrorInfo(job.status())->reason, kServerUnreachable);
  EXPECT_EQ(calls, 2);
}

TEST_F(PruneClientTest, AnAbsentServerIsNamed) {
  server_.Stop();
  const auto job = PruneClient(Options()).GetJob("jobs/j1");
  EXPECT_EQ(job.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(job.status().message(), absl::StrCat("no coordinator at ", server_.address(), ": Connection refused"));
  EXPECT_EQ(GetErrorInfo(job.status())->metadata.at("target"), server_.address());
  EXPECT_EQ(time_.sleeps().size(), 4);
}

TEST_F(PruneClientTest, RetryIsNotRepeatedBecauseItMayHaveHappened) {
  std::atomic<int> calls = 0;
  server_.prune.retry_job = [&](const v1::RetryJobRequest&, v1::Job*) {
    ++calls;
    return Status(StatusCode::UNAVAILABLE, "restarting");
  };
  EXPECT_FALSE(PruneClient(Options()).RetryJob("jobs/j1").ok());
  EXPECT_EQ(calls, 1);
}

TEST_F(PruneClientTest, DeleteSucceedsIfAnEarlierAttemptDid) {
  std::atomic<int> calls = 0;
  server_.prune.delete_job = [&](const v1::DeleteJobRequest&, google::protobuf::Empty*) {
    return ++calls == 1 ? Status(StatusCode::UNAVAILABLE, "answer lost") : Status(StatusCode::NOT_FOUND, "none");
  };
  EXPECT_TRUE(PruneClient(Options()).DeleteJob("jobs/j1").ok());
  EXPECT_EQ(PruneClient(Options()).DeleteJob("jobs/j1").code(), absl::StatusCode::kNotFound);
}

TEST_F(PruneClientTest, ListsAreGatheredOverPagesUpToTheLimit) {
  server_.prune.list_jobs = [&](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    EXPECT_EQ(request.filter(), "state = PRUNING");
    // Pages of at most two, five jobs in all.
    int next = request.page_token().empty() ? 0 : std::stoi(request.page_token());
    for (int i = 0; i < std::min(2, request.page_size()) && next < 5; ++i) {
      response->add_jobs()->set_name(absl::StrCat("jobs/", next++));
    }
    if (next < 5) response->set_next_page_token(std::to_string(next));
    return Status::OK;
  };
  PruneClient client(Options());
  EXPECT_EQ(client.ListJobs("state = PRUNING", 0)->jobs_size(), 5);
  const auto three = client.ListJobs("state = PRUNING", 3);
  EXPECT_EQ(three->jobs_size(), 3);
  EXPECT_EQ(three->next_page_token(), "3");
}

TEST_F(PruneClientTest, TasksAndWorkersComeInFull) {
  server_.prune.list_tasks = [&](const v1::ListTasksRequest& request, v1::ListTasksResponse* response) {
    EXPECT_EQ(request.parent(), "jobs/j1");
    *response->add_tasks() = MakeCommittedBlock(request.page_token().empty() ? 0 : 1);
    if (request.page_token().empty()) response->set_next_page_token("1");
    return Status::OK;
  };
  server_.fleet.list_workers = [&](const v1::ListWorkersRequest& request, v1::ListWorkersResponse* response) {
    response->add_workers()->set_name(request.page_token().empty() ? "workers/a" : "workers/b");
    if (request.page_token().empty()) response->set_next_page_token("b");
    return Status::OK;
  };
  PruneClient client(Options());
  EXPECT_EQ(client.ListTasks("jobs/j1")->tasks_size(), 2);
  EXPECT_EQ(client.ListWorkers()->workers_size(), 2);
}

}  // namespace
}  // namespace besa::client
