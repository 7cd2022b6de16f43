#include "server/publisher/publisher.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/publisher/sweeper.h"
#include "server/scheduler/change_notifier.h"
#include "server/scheduler/scheduler_testing.h"
#include "server/state/sqlite_state_store.h"
#include "server/testing/scripted_task.h"
#include "server/testing/temp_folder.h"
#include "server/testing/tiny_checkpoint.h"
#include "server/validation/create_job.h"
#include "storage/base/error_info.h"
#include "storage/object/faulty_store.h"
#include "storage/object/open_store.h"

namespace besa::server {
namespace {

using ::besa::server::testing::ManualClock;
using ::besa::server::testing::ReadFile;
using ::besa::server::testing::RunScriptedTask;
using ::besa::server::testing::TempFolder;
using ::besa::server::testing::WriteFile;
using ::besa::server::testing::WriteTinyCheckpoint;
using ::besa::storage::FaultyStore;
using ::besa::storage::StopAt;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A store that works or is out of reach, as the test says.
class PublisherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteTinyCheckpoint(*store_, folder_ / "model");
    WriteFile(folder_.path() / "text.txt", std::string(100, 'x'));
    v1::RegisterWorkerRequest request;
    request.mutable_worker()->set_name("workers/w");
    request.mutable_worker()->set_incarnation("w-1");
    request.mutable_worker()->mutable_device()->set_memory_bytes(int64_t{1} << 30);
    ASSERT_TRUE(coordinator_.RegisterWorker(request).ok());
  }

  // A job all of whose tasks are committed.
  std::string JobToPublish() {
    v1::CreateJobRequest request;
    v1::JobSpec& spec = *request.mutable_job()->mutable_spec();
    spec.set_model_uri((folder_ / "model").ToString());
    spec.set_output_uri((folder_ / "out").ToString());
    spec.set_sparsity(0.5);
    spec.mutable_calibration()->add_uris((folder_ / "text.txt").ToString());
    spec.mutable_calibration()->set_samples(2);
    const auto validated = ValidateCreateJob(request, *store_, workspace_, {});
    EXPECT_TRUE(validated.ok()) << validated.status();
    const auto job = coordinator_.CreateJob(
        {.spec = validated->spec, .model = validated->model, .output_key = validated->spec.output_uri()});
    EXPECT_TRUE(job.ok()) << job.status();
    while (CommitNext()) {
    }
    EXPECT_EQ(State(job->name()), v1::JOB_STATE_PUBLISHING);
    return job->name();
  }

  bool CommitNext() {
    v1::LeaseTaskRequest request;
    request.set_worker("workers/w");
    request.set_incarnation("w-1");
    request.set_request_id(std::to_string(++wishes_));
    const auto leased = coordinator_.Lease(request);
    EXPECT_TRUE(leased.ok()) << leased.status();
    if (!leased->has_assignment()) return false;
    v1::CommitTaskRequest commit;
    commit.set_worker("workers/w");
    commit.set_incarnation("w-1");
    *commit.mutable_lease() = leased->assignment().lease();
    *commit.mutable_result() = RunScriptedTask(*store_, leased->assignment());
    EXPECT_TRUE(coordinator_.Commit(commit).ok());
    return true;
  }

  v1::Job Get(const std::string& job) { return *coordinator_.GetJob(job); }
  v1::JobState State(const std::string& job) { return Get(job).state(); }
  Publisher MakePublisher(storage::ObjectStore& store, const std::string& id = "p") {
    return Publisher(coordinator_, store, clock_, {.id = id, .besa_version = "0.1.0"});
  }
  bool Published() { return std::filesystem::exists(folder_.path() / "out" / "besa_manifest.json"); }

  TempFolder folder_;
  const storage::Uri workspace_ = folder_ / "workspace";
  ManualClock clock_;
  std::unique_ptr<storage::ObjectStore> store_ = *storage::OpenStore({.allowed_prefixes = {folder_.path().string()}});
  std::unique_ptr<SqliteStateStore> state_ =
      *SqliteStateStore::Open({.path = (folder_.path() / "state.sqlite").string()}, clock_);
  ChangeNotifier notifier_;
  Coordinator coordinator_{*state_, notifier_, clock_, RandomJobId, {.workspace_uri = workspace_.ToString()}};
  int wishes_ = 0;
};

TEST_F(PublisherTest, PublishesAndTheWorkspaceGoes) {
  const std::string job = JobToPublish();
  Publisher publisher = MakePublisher(*store_);
  EXPECT_EQ(publisher.RunOnce(), absl::ZeroDuration()) << "there may be more";
  EXPECT_EQ(State(job), v1::JOB_STATE_SUCCEEDED);
  EXPECT_TRUE(Published());
  EXPECT_GT(publisher.RunOnce(), absl::ZeroDuration()) << "nothing left to do";

  EXPECT_FALSE(store_->List(workspace_)->empty());
  ASSERT_TRUE(Sweep(coordinator_, *store_, workspace_).ok());
  EXPECT_TRUE(store_->List(workspace_)->empty());
  EXPECT_TRUE(coordinator_.DueGarbage(10)->empty());
}

TEST_F(PublisherTest, AStoreThatIsBackInTimeCostsNothing) {
  const std::string job = JobToPublish();
  FaultyStore down(*store_, StopAt(1));
  Publisher failing = MakePublisher(down);
  const absl::Duration pause = failing.RunOnce();
  EXPECT_EQ(pause, absl::Seconds(1));
  EXPECT_EQ(failing.RunOnce(), absl::Seconds(1)) << "not before the pause is over";
  EXPECT_EQ(down.calls(), 1);
  clock_.Advance(pause);
  EXPECT_EQ(failing.RunOnce(), absl::Seconds(2)) << "twice as long after the second failure";
  EXPECT_EQ(State(job), v1::JOB_STATE_PUBLISHING);

  Publisher working = MakePublisher(*store_);
  working.RunOnce();
  EXPECT_EQ(State(job), v1::JOB_STATE_SUCCEEDED);
}

TEST_F(PublisherTest, AStoreThatStaysAwayFailsTheJobAndRetryResumes) {
  const std::string job = JobToPublish();
  FaultyStore down(*store_, StopAt(20));
  Publisher failing = MakePublisher(down);
  for (int i = 0; i < coordinator_.options().max_publish_failures; ++i) clock_.Advance(failing.RunOnce());
  const v1::Job failed = Get(job);
  ASSERT_EQ(failed.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(failed.error().reason(), v1::FAILURE_REASON_STORAGE);
  EXPECT_THAT(failed.error().message(), AllOf(HasSubstr("publishing"), HasSubstr("the store is down")));
  EXPECT_FALSE(Published());

  ASSERT_TRUE(coordinator_.RetryJob(job).ok());
  EXPECT_FALSE(CommitNext()) << "every block was kept";
  Publisher working = MakePublisher(*store_);
  working.RunOnce();
  EXPECT_EQ(State(job), v1::JOB_STATE_SUCCEEDED);
  EXPECT_TRUE(Published());
}

TEST_F(PublisherTest, AForeignFileFailsTheJobAtOnce) {
  const std::string job = JobToPublish();
  WriteFile(folder_.path() / "out" / "precious.txt", "keep me");
  Publisher publisher = MakePublisher(*store_);
  publisher.RunOnce();
  const v1::Job failed = Get(job);
  ASSERT_EQ(failed.state(), v1::JOB_STATE_FAILED);
  EXPECT_EQ(failed.error().reason(), v1::FAILURE_REASON_INVALID_INPUT);
  EXPECT_THAT(failed.error().message(), AllOf(HasSubstr("output_uri"), HasSubstr("precious.txt")));
  EXPECT_EQ(ReadFile(folder_.path() / "out" / "precious.txt"), "keep me");
}

// As if the first coordinator had died in the middle: the next one takes the claim over and finishes.
TEST_F(PublisherTest, AnotherCoordinatorFinishesWhatOneBegan) {
  const std::string job = JobToPublish();
  const auto claim = coordinator_.ClaimPublishing("dead");
  ASSERT_TRUE(claim.ok() && claim->has_value());
  WriteFile(folder_.path() / "out" / ".besa-part-0123456789abcdef", "half a shard");
  Publisher next = MakePublisher(*store_, "next");
  next.RunOnce();
  EXPECT_EQ(State(job), v1::JOB_STATE_SUCCEEDED);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "out" / ".besa-part-0123456789abcdef"));
  EXPECT_EQ(coordinator_.FinishPublishing(job, (*claim)->claim).code(), absl::StatusCode::kAborted);
}

TEST_F(PublisherTest, AStoppedPublisherLeavesTheJobAsItIs) {
  const std::string job = JobToPublish();
  Publisher publisher = MakePublisher(*store_);
  publisher.Stop();
  publisher.RunOnce();
  EXPECT_EQ(State(job), v1::JOB_STATE_PUBLISHING);
}

TEST_F(PublisherTest, ReasonsTellWhetherTryingAgainHelps) {
  const auto reason = [](const absl::Status& status) { return PublishingError(status).reason(); };
  EXPECT_EQ(reason(absl::UnavailableError("")), v1::FAILURE_REASON_STORAGE);
  EXPECT_EQ(reason(absl::ResourceExhaustedError("disk full")), v1::FAILURE_REASON_STORAGE);
  EXPECT_EQ(reason(absl::NotFoundError("")), v1::FAILURE_REASON_STORAGE);
  EXPECT_EQ(reason(absl::FailedPreconditionError("")), v1::FAILURE_REASON_INVALID_INPUT);
  EXPECT_EQ(reason(absl::InternalError("")), v1::FAILURE_REASON_INTERNAL);
  EXPECT_EQ(reason(ErrorWithInfo(absl::StatusCode::kFailedPrecondition, "", {.reason = "INPUT_CHANGED"})),
            v1::FAILURE_REASON_INPUT_CHANGED);
}

TEST_F(PublisherTest, SweepingTouchesNothingOutsideTheWorkspace) {
  const std::string job = JobToPublish();
  Publisher publisher = MakePublisher(*store_);
  publisher.RunOnce();
  // Started anew with another workspace, what the state remembers of the old one is not deleted.
  const absl::Status status = Sweep(coordinator_, *store_, folder_ / "elsewhere");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("outside the workspace"));
  EXPECT_FALSE(store_->List(workspace_)->empty());
}

TEST_F(PublisherTest, SweepingGoesOnAfterAFailure) {
  JobToPublish();
  MakePublisher(*store_).RunOnce();
  FaultyStore down(*store_, StopAt(1));
  EXPECT_EQ(Sweep(coordinator_, down, workspace_).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Sweep(coordinator_, *store_, workspace_).ok());
  EXPECT_TRUE(store_->List(workspace_)->empty());
}

}  // namespace
}  // namespace besa::server
