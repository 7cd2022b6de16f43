#include <future>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/api/api_testing.h"

namespace besa::server {
namespace {

using ::besa::server::testing::Call;
using ::besa::server::testing::TestService;

// A stream under way.
class Watch {
 public:
  Watch(TestService& service, const std::string& name, int64_t resume_version = 0) {
    request_.set_name(name);
    request_.set_resume_version(resume_version);
    reader_ = service.prune().WatchJob(&call_, request_);
  }
  bool Next(v1::WatchJobResponse* message) { return reader_->Read(message); }
  grpc::Status Finish() { return reader_->Finish(); }

  // The rest of the stream.
  std::vector<v1::WatchJobResponse> ReadAll() {
    std::vector<v1::WatchJobResponse> messages;
    v1::WatchJobResponse message;
    while (Next(&message)) messages.push_back(message);
    return messages;
  }

 private:
  Call call_;
  v1::WatchJobRequest request_;
  std::unique_ptr<grpc::ClientReader<v1::WatchJobResponse>> reader_;
};

class WatchTest : public ::testing::Test {
 protected:
  WatchTest() { service_.Register("w"); }

  std::string CreateJob() { return service_.CreateJob(service_.Request("out")).name(); }
  void RunToTheEnd() {
    service_.WorkOff("w");
    service_.publisher().RunOnce();
  }
  void Beat(const v1::Assignment& assignment, int64_t step) {
    v1::HeartbeatRequest request;
    request.set_worker("workers/w");
    request.set_incarnation("w-1");
    *request.mutable_lease() = assignment.lease();
    request.mutable_progress()->set_stage("train");
    request.mutable_progress()->set_step(step);
    request.mutable_progress()->set_steps(100);
    v1::HeartbeatResponse response;
    Call call;
    EXPECT_TRUE(service_.worker().Heartbeat(&call, request, &response).ok());
  }

  TestService service_;
};

TEST_F(WatchTest, BeginsWithASnapshotAndEndsAfterTheLastChange) {
  const std::string name = CreateJob();
  Watch watch(service_, name);
  v1::WatchJobResponse first;
  ASSERT_TRUE(watch.Next(&first));
  EXPECT_EQ(first.snapshot().job().name(), name);
  EXPECT_EQ(first.snapshot().tasks_size(), 6);
  EXPECT_FALSE(first.reset());

  RunToTheEnd();
  int64_t version = first.version();
  v1::JobState last_state = v1::JOB_STATE_UNSPECIFIED;
  int committed = 0;
  for (const v1::WatchJobResponse& message : watch.ReadAll()) {
    if (message.has_progress()) continue;
    EXPECT_EQ(message.version(), version + 1) << "no event is missing";
    version = message.version();
    if (message.has_job()) last_state = message.job().state();
    if (message.has_task() && message.task().state() == v1::TASK_STATE_COMMITTED) ++committed;
  }
  EXPECT_TRUE(watch.Finish().ok());
  EXPECT_EQ(last_state, v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(committed, 6);
  EXPECT_EQ(version, service_.GetJob(name).version());
}

TEST_F(WatchTest, GoesOnWhereAnotherEndedEvenAfterARestart) {
  const std::string name = CreateJob();
  v1::WatchJobResponse message;
  {
    Watch watch(service_, name);
    ASSERT_TRUE(watch.Next(&message));
  }
  const int64_t seen = message.version();
  ASSERT_TRUE(service_.Commit("w", *service_.Lease("w")).ok());
  service_.Restart();
  Watch resumed(service_, name, seen);
  ASSERT_TRUE(resumed.Next(&message));
  EXPECT_FALSE(message.has_snapshot());
  EXPECT_EQ(message.version(), seen + 1);
}

TEST_F(WatchTest, AVersionThatWasNeverIsReset) {
  const std::string name = CreateJob();
  Watch watch(service_, name, 1'000'000);
  v1::WatchJobResponse message;
  ASSERT_TRUE(watch.Next(&message));
  EXPECT_TRUE(message.reset());
  EXPECT_EQ(message.snapshot().job().name(), name);
}

TEST_F(WatchTest, AJobThatEndedIsShownOnce) {
  const std::string name = CreateJob();
  RunToTheEnd();
  Watch watch(service_, name);
  const auto messages = watch.ReadAll();
  EXPECT_TRUE(watch.Finish().ok());
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0].snapshot().job().state(), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(WatchTest, ShowsProgressAtMostOnceASecond) {
  const std::string name = CreateJob();
  const auto assignment = service_.Lease("w");
  Watch watch(service_, name);
  v1::WatchJobResponse message;
  ASSERT_TRUE(watch.Next(&message));
  ASSERT_TRUE(message.has_snapshot());
  for (int step = 1; step <= 20; ++step) Beat(*assignment, step);
  ASSERT_TRUE(service_.Commit("w", *assignment).ok());
  int progress = 0;
  while (watch.Next(&message)) {
    if (message.has_progress()) ++progress;
    if (message.has_task() && message.task().state() == v1::TASK_STATE_COMMITTED) break;
  }
  EXPECT_LE(progress, 1) << "all beats fell into one second";
}

TEST_F(WatchTest, ProgressArrivesWithoutAnyOtherChange) {
  const std::string name = CreateJob();
  const auto assignment = service_.Lease("w");
  Watch watch(service_, name);
  v1::WatchJobResponse message;
  ASSERT_TRUE(watch.Next(&message));
  Beat(*assignment, 7);
  ASSERT_TRUE(watch.Next(&message));
  ASSERT_TRUE(message.has_progress()) << message.ShortDebugString();
  EXPECT_EQ(message.progress().progress().stage(), "train");
  EXPECT_EQ(message.progress().progress().step(), 7);
}

TEST_F(WatchTest, OfNoJobIsNotFound) {
  Watch watch(service_, "jobs/none");
  EXPECT_TRUE(watch.ReadAll().empty());
  EXPECT_EQ(watch.Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(WatchTest, OfAMalformedNameIsRefused) {
  Watch watch(service_, "none");
  EXPECT_TRUE(watch.ReadAll().empty());
  EXPECT_EQ(watch.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(WatchTest, AStoppingCoordinatorSendsWatchersElsewhere) {
  const std::string name = CreateJob();
  Watch watch(service_, name);
  v1::WatchJobResponse message;
  ASSERT_TRUE(watch.Next(&message));
  service_.server().Stop(absl::Seconds(5));
  EXPECT_TRUE(watch.ReadAll().empty());
  EXPECT_EQ(watch.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace besa::server
