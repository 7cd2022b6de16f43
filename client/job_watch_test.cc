// Watches against a real gRPC server that breaks in every way a coordinator may.
#include "client/job_watch.h"

#include <atomic>
#include <mutex>
#include <thread>

#include "client/prune_client.h"
#include "client/testing/manual_time.h"
#include "client/testing/messages.h"
#include "client/testing/scripted_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa::client {
namespace {

using grpc::Status;
using grpc::StatusCode;
using testing::ElementsAre;

class JobWatchTest : public testing::Test {
 protected:
  // Scripts one stream per call of `streams`, in order; the last repeats.
  using Stream = std::function<Status(int64_t resume_version, const WatchWriter&)>;
  void Serve(std::vector<Stream> streams) {
    server_.prune.watch_job = [this, streams](grpc::ServerContext&, const v1::WatchJobRequest& request,
                                              const WatchWriter& write) {
      size_t number;
      {
        const std::lock_guard lock(mutex_);
        number = resumed_from_.size();
        resumed_from_.push_back(request.resume_version());
      }
      return streams[std::min(number, streams.size() - 1)](request.resume_version(), write);
    };
  }

  absl::StatusOr<v1::Job> Run(JobWatch::Options options = {}, std::stop_token stop = {}) {
    PruneClient client({.target = server_.address(), .clock = &time_, .sleeper = &time_});
    return client.Watch("jobs/j1", options)
        ->Run({.on_event = [this](const v1::WatchJobResponse& e) { versions_.push_back(e.version()); },
               .on_outage = [this](const Outage& outage) { outages_.push_back(outage); }},
              stop);
  }

  ScriptedServer server_;
  ManualTime time_;
  std::mutex mutex_;
  std::vector<int64_t> resumed_from_;
  std::vector<int64_t> versions_;
  std::vector<Outage> outages_;
};

TEST_F(JobWatchTest, FollowsAJobToItsEnd) {
  Serve({[](int64_t, const WatchWriter& write) {
    write(SnapshotEvent(MakeJob(v1::JOB_STATE_PRUNING, 4)));
    write(TaskEvent(5, MakeCommittedBlock(0)));
    write(JobEvent(MakeJob(v1::JOB_STATE_SUCCEEDED, 6)));
    return Status::OK;
  }});
  const auto job = Run();
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(versions_, ElementsAre(4, 5, 6));
  EXPECT_TRUE(outages_.empty());
}

TEST_F(JobWatchTest, ResumesByVersionAndDropsRepeats) {
  Serve({[](int64_t, const WatchWriter& write) {
           write(SnapshotEvent(MakeJob(v1::JOB_STATE_PRUNING, 4)));
           write(TaskEvent(5, MakeCommittedBlock(0)));
           return Status(StatusCode::UNAVAILABLE, "killed");
         },
         // Ends without an error while the job goes on: a coordinator that stops cleanly. It repeats version 5.
         [](int64_t, const WatchWriter& write) {
           write(TaskEvent(5, MakeCommittedBlock(0)));
           write(TaskEvent(6, MakeCommittedBlock(1)));
           return Status(StatusCode::CANCELLED, "shutting down");
         },
         [](int64_t, const WatchWriter& write) {
           write(JobEvent(MakeJob(v1::JOB_STATE_SUCCEEDED, 7)));
           return Status::OK;
         }});
  const auto job = Run();
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_THAT(resumed_from_, ElementsAre(0, 5, 6));
  EXPECT_THAT(versions_, ElementsAre(4, 5, 6, 7));
  EXPECT_EQ(outages_.size(), 2);
}

TEST_F(JobWatchTest, SurvivesARestartOfTheCoordinator) {
  std::atomic<bool> broken = false;
  Serve({[&](int64_t, const WatchWriter& write) {
           write(SnapshotEvent(MakeJob(v1::JOB_STATE_PRUNING, 4)));
           // Holds the stream open until the server goes down under it.
           while (write(ProgressEvent(4, MakeProgress(0, "train", 1, 64)))) {
           }
           broken = true;
           return Status::OK;
         },
         [](int64_t, const WatchWriter& write) {
           write(JobEvent(MakeJob(v1::JOB_STATE_SUCCEEDED, 5)));
           return Status::OK;
         }});
  std::atomic<bool> seen = false;
  std::jthread restart([&] {
    seen.wait(false);
    server_.Restart();
  });
  PruneClient client({.target = server_.address()});
  const auto job = client.Watch("jobs/j1")->Run({.on_event = [&](const v1::WatchJobResponse&) {
    seen = true;
    seen.notify_all();
  }});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_TRUE(broken);
  EXPECT_EQ(resumed_from_.back(), 4);
}

TEST_F(JobWatchTest, FindsACoordinatorThatWasAwaySoonAfterItIsBack) {
  Serve({[](int64_t, const WatchWriter& write) {
    write(JobEvent(MakeJob(v1::JOB_STATE_SUCCEEDED, 5)));
    return Status::OK;
  }});
  server_.Stop();
  PruneClient client({.target = server_.address()});
  int outages = 0;
  const auto job = client.Watch("jobs/j1")->Run({.on_event = [](const v1::WatchJobResponse&) {},
                                                 .on_outage =
                                                     [&](const Outage&) {
                                                       if (++outages == 3) server_.Start();
                                                     }});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_LE(outages, 4);
}

TEST_F(JobWatchTest, ResetReplacesWhatWasSeen) {
  Serve({[](int64_t resume_version, const WatchWriter& write) {
    EXPECT_EQ(resume_version, 900);
    auto snapshot = SnapshotEvent(MakeJob(v1::JOB_STATE_PRUNING, 30));
    snapshot.set_reset(true);
    write(snapshot);
    write(JobEvent(MakeJob(v1::JOB_STATE_FAILED, 31)));
    return Status::OK;
  }});
  const auto job = Run({.resume_version = 900});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::JOB_STATE_FAILED);
  EXPECT_THAT(versions_, ElementsAre(30, 31));
}

TEST_F(JobWatchTest, AJobThatHadEndedBeforeIsLookedUp) {
  Serve({[](int64_t resume_version, const WatchWriter& write) {
    if (resume_version == 0) write(SnapshotEvent(MakeJob(v1::JOB_STATE_CANCELLED, 9)));
    return Status::OK;
  }});
  const auto job = Run({.resume_version = 9});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::JOB_STATE_CANCELLED);
  EXPECT_TRUE(versions_.empty());
}

TEST_F(JobWatchTest, GivesUpAfterTheTimeGiven) {
  Serve({[](int64_t, const WatchWriter&) { return Status(StatusCode::UNAVAILABLE, "down"); }});
  const auto job = Run({.give_up_after = absl::Minutes(2)});
  EXPECT_EQ(job.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_GE(time_.Steady(), absl::Minutes(2));
  EXPECT_LE(time_.Steady(), absl::Minutes(2) + absl::Seconds(5));
  EXPECT_GT(outages_.back().lasted, absl::Seconds(110));
}

TEST_F(JobWatchTest, EachMessageAndEachLongSilenceStartsThePatienceAnew) {
  Stream quiet = [&](int64_t, const WatchWriter&) {
    time_.Advance(absl::Seconds(50));
    return Status(StatusCode::UNAVAILABLE, "cut by a proxy");
  };
  Serve({quiet, quiet, quiet, quiet, [](int64_t, const WatchWriter& write) {
           write(JobEvent(MakeJob(v1::JOB_STATE_SUCCEEDED, 5)));
           return Status::OK;
         }});
  EXPECT_TRUE(Run({.give_up_after = absl::Minutes(1)}).ok());
}

TEST_F(JobWatchTest, AnErrorThatWaitingDoesNotMendEndsIt) {
  Serve({[](int64_t, const WatchWriter&) { return Status(StatusCode::NOT_FOUND, "no such job"); }});
  EXPECT_EQ(Run().status(), absl::NotFoundError("no such job"));
  EXPECT_EQ(resumed_from_.size(), 1);
}

TEST_F(JobWatchTest, StopsWhenAsked) {
  std::stop_source stop;
  server_.prune.watch_job = [&](grpc::ServerContext& context, const v1::WatchJobRequest&, const WatchWriter& write) {
    write(SnapshotEvent(MakeJob(v1::JOB_STATE_PRUNING, 4)));
    stop.request_stop();
    while (!context.IsCancelled()) std::this_thread::yield();
    return Status::OK;
  };
  EXPECT_EQ(Run({}, stop.get_token()).status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(outages_.empty());
}

}  // namespace
}  // namespace besa::client
