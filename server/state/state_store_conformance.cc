#include "server/state/state_store_conformance.h"

#include <gmock/gmock.h>

#include <thread>
#include <vector>

#include "server/state/names.h"
#include "storage/base/error_info.h"

namespace besa::server::testing {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

CreateJobRow SomeJob(const std::string& id, const std::string& display_name) {
  CreateJobRow create;
  JobRow& row = create.rows.job;
  row.id = id;
  row.job.set_name(JobName(id));
  row.job.mutable_spec()->set_display_name(display_name);
  row.job.mutable_spec()->set_output_uri("/out/" + id);
  row.job.set_state(v1::JOB_STATE_PENDING);
  row.job.set_version(1);
  row.workspace_uri = "/workspace/" + id + "/";
  row.output_key = "/out/" + id;
  for (int i = 0; i < 3; ++i) {
    TaskRow& task = create.rows.tasks.emplace_back();
    task.id = "task-" + std::to_string(i);
    task.position = i;
    task.task.set_name(MakeTaskName(id, task.id));
    task.task.set_state(i < 2 ? v1::TASK_STATE_PENDING : v1::TASK_STATE_BLOCKED);
    task.task.set_memory_bytes(i * 100);
  }
  v1::WatchJobResponse& event = create.events.emplace_back();
  event.set_version(1);
  *event.mutable_job() = row.job;
  return create;
}

namespace {

// Counts the version up by `events` and stores as many.
JobChanges NewVersion(JobRows rows, int events = 1) {
  JobChanges changes;
  for (int i = 0; i < events; ++i) {
    rows.job.job.set_version(rows.job.job.version() + 1);
    v1::WatchJobResponse& event = changes.events.emplace_back();
    event.set_version(rows.job.job.version());
    *event.mutable_job() = rows.job.job;
  }
  changes.job = std::move(rows.job);
  return changes;
}

JobStep SetState(v1::JobState state) {
  return [state](JobRows rows) {
    rows.job.job.set_state(state);
    return NewVersion(std::move(rows));
  };
}

LeaseRow SomeLease(const std::string& id, const std::string& worker = "workers/a") {
  LeaseRow lease;
  lease.id = id;
  lease.attempt = 1;
  lease.worker = worker;
  lease.incarnation = "i1";
  lease.request_id = "r1";
  lease.beat = 5;
  lease.beat_time = absl::FromUnixSeconds(1'750'000'000);
  return lease;
}

JobStep PutLease(int task, std::optional<LeaseRow> lease) {
  return [task, lease](JobRows rows) {
    JobChanges changes;
    rows.tasks[task].lease = lease;
    rows.tasks[task].task.set_state(lease && !lease->expired ? v1::TASK_STATE_LEASED : v1::TASK_STATE_PENDING);
    changes.tasks.push_back(rows.tasks[task]);
    return changes;
  };
}

WorkerRow SomeWorker(const std::string& name, int64_t memory_bytes, const std::string& incarnation = "i1") {
  WorkerRow row;
  row.worker.set_name(name);
  row.worker.set_incarnation(incarnation);
  row.worker.mutable_device()->set_memory_bytes(memory_bytes);
  return row;
}

std::string Reason(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  return info ? info->reason : "";
}

TEST_P(StateStoreConformance, WhatWasStoredIsReadBackAlsoAfterReopening) {
  CreateJobRow create = SomeJob("j1");
  create.rows.job.claim = 3;
  ASSERT_TRUE(store_->CreateJob(create).ok());
  ASSERT_TRUE(store_
                  ->UpdateJob("j1",
                              [](JobRows rows) {
                                rows.job.started = true;
                                rows.job.publisher = "p1";
                                rows.job.claim_beat = 7;
                                rows.job.publish_failures = 2;
                                return NewVersion(std::move(rows));
                              })
                  .ok());
  LeaseRow lease = SomeLease("j1/task-1/1");
  lease.progress.set_step(9);
  ASSERT_TRUE(store_->UpdateJob("j1", PutLease(1, lease)).ok());
  Reopen();

  const auto rows = store_->ReadJob("j1");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->job.job.name(), "jobs/j1");
  EXPECT_EQ(rows->job.job.version(), 2);
  EXPECT_EQ(rows->job.workspace_uri, "/workspace/j1/");
  EXPECT_EQ(rows->job.output_key, "/out/j1");
  EXPECT_TRUE(rows->job.started);
  EXPECT_EQ(rows->job.publisher, "p1");
  EXPECT_EQ(rows->job.claim, 3);
  EXPECT_EQ(rows->job.claim_beat, 7);
  EXPECT_EQ(rows->job.publish_failures, 2);
  ASSERT_EQ(rows->tasks.size(), 3u);
  EXPECT_FALSE(rows->tasks[0].lease.has_value());
  const LeaseRow& read = *rows->tasks[1].lease;
  EXPECT_EQ(read.id, "j1/task-1/1");
  EXPECT_EQ(read.worker, "workers/a");
  EXPECT_EQ(read.incarnation, "i1");
  EXPECT_EQ(read.request_id, "r1");
  EXPECT_EQ(read.beat, 5);
  EXPECT_EQ(read.beat_time, lease.beat_time);
  EXPECT_EQ(read.progress.step(), 9);
}

TEST_P(StateStoreConformance, TheSameRequestReturnsTheSameJob) {
  CreateJobRow create = SomeJob("j1");
  create.request_id = "r1";
  create.request_hash = "h1";
  ASSERT_TRUE(store_->CreateJob(create).ok());
  CreateJobRow again = SomeJob("j2");
  again.request_id = "r1";
  again.request_hash = "h1";
  EXPECT_EQ(store_->CreateJob(again)->job.id, "j1");
  EXPECT_EQ((*store_->FindCreated("r1", "h1"))->name(), "jobs/j1");
  EXPECT_TRUE(absl::IsNotFound(store_->ReadJob("j2").status()));

  again.request_hash = "h2";
  EXPECT_TRUE(absl::IsAlreadyExists(store_->CreateJob(again).status()));
  EXPECT_TRUE(absl::IsAlreadyExists(store_->FindCreated("r1", "h2").status()));
  EXPECT_FALSE(store_->FindCreated("r2", "h1")->has_value());
  EXPECT_FALSE(store_->FindCreated("", "h1")->has_value());
}

TEST_P(StateStoreConformance, RequestsWithoutAnIdAreAlwaysNew) {
  ASSERT_TRUE(store_->CreateJob(SomeJob("j1")).ok());
  EXPECT_EQ(store_->CreateJob(SomeJob("j2"))->job.id, "j2");
}

TEST_P(StateStoreConformance, AnOutputFolderIsReservedUntilItsJobHasEnded) {
  ASSERT_TRUE(store_->CreateJob(SomeJob("j1")).ok());
  CreateJobRow rival = SomeJob("j2");
  rival.rows.job.output_key = "/out/j1";
  const absl::Status refused = store_->CreateJob(rival).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_EQ(Reason(refused), "OUTPUT_RESERVED");

  ASSERT_TRUE(store_->UpdateJob("j1", SetState(v1::JOB_STATE_FAILED)).ok());
  ASSERT_TRUE(store_->CreateJob(rival).ok());
  // And a job that comes back to life has to reserve it anew.
  const absl::Status revived = store_->UpdateJob("j1", SetState(v1::JOB_STATE_PENDING));
  EXPECT_EQ(Reason(revived), "OUTPUT_RESERVED");
  EXPECT_EQ(store_->ReadJob("j1")->job.job.state(), v1::JOB_STATE_FAILED) << "a call that failed changed nothing";
  ASSERT_TRUE(store_->UpdateJob("j2", SetState(v1::JOB_STATE_CANCELLED)).ok());
  EXPECT_TRUE(store_->UpdateJob("j1", SetState(v1::JOB_STATE_PENDING)).ok());
}

TEST_P(StateStoreConformance, WhatIsNotThereIsNotFound) {
  const auto step = [](JobRows) { return JobChanges{}; };
  EXPECT_TRUE(absl::IsNotFound(store_->ReadJob("nobody").status()));
  EXPECT_TRUE(absl::IsNotFound(store_->UpdateJob("nobody", step)));
  EXPECT_TRUE(absl::IsNotFound(store_->ReadEvents("nobody", 0, 10).status()));
  ASSERT_TRUE(store_->CreateJob(SomeJob("j1")).ok());
  EXPECT_TRUE(
      absl::IsNotFound(store_->UpdateTask("j1", "task-9", [](const JobRow&, const TaskRow&) { return JobChanges{}; })));
  EXPECT_TRUE(absl::IsNotFound(store_->ReadWorker("workers/nobody").status()));
}

TEST_P(StateStoreConformance, StepsOfOneJobHappenOneAfterTheOther) {
  ASSERT_TRUE(store_->CreateJob(SomeJob("j1")).ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        EXPECT_TRUE(store_->UpdateJob("j1", [](JobRows rows) { return NewVersion(std::move(rows)); }).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store_->ReadJob("j1")->job.job.version(), 101);
  EXPECT_EQ(store_->ReadEvents("j1", 0, 1000)->events.size(), 101u);
}

TEST_P(StateStoreConformance, AHeartbeatSeesItsTaskAloneAndStoresProgress) {
  ASSERT_TRUE(store_->CreateJob(SomeJob("j1")).ok());
  ASSERT_TRUE(store_->UpdateJob("j1", PutLease(0, SomeLease("j1/task-0/1"))).ok());
  ASSERT_TRUE(store_->UpdateJob("j1", PutLease(1, SomeLease("j1/task-1/1"))).ok());
  const auto beat = [&](const char* task, int64_t step) {
    return store_->UpdateTask("j1", task, [&](const JobRow& job, const TaskRow& row) {
      EXPECT_EQ(job.id, "j1");
      EXPECT_EQ(row.id, task);
      JobChanges changes;
      changes.beats.push_back(*row.lease);
      ++changes.beats[0].beat;
      changes.beats[0].progress.set_step(step);
      changes.beats[0].moves = step;
      return changes;
    });
  };
  ASSERT_TRUE(beat("task-1", 1).ok());
  ASSERT_TRUE(beat("task-0", 2).ok());
  const auto first = store_->ReadProgress("j1", 0);
  ASSERT_EQ(first->size(), 2u);
  EXPECT_EQ((*first)[0].task_id, "task-1") << "in the order in which they came";
  EXPECT_EQ((*first)[1].progress.step(), 2);
  ASSERT_TRUE(beat("task-1", 3).ok());
  const auto second = store_->ReadProgress("j1", (*first)[1].serial);
  ASSERT_EQ(second->size(), 1u) << "only what is new";
  EXPECT_EQ((*second)[0].progress.step(), 3);
  EXPECT_EQ(store_->ReadJob("j1")->tasks[1].lease->beat, 7);
  EXPECT_EQ(store_->ReadJob("j1")->tasks[1].lease->moves, 3);
  EXPECT_EQ((*store_->LiveLeases())[1].moves, 3);
}

TEST_P(StateStoreConformance, JobsAreListedNewestFirstPageByPage) {
  for (const char* id : {"a", "b", "c", "d", "e"}) ASSERT_TRUE(store_->CreateJob(SomeJob(id)).ok());
  std::vector<std::string> names;
  int64_t from = 0;
  int pages = 0;
  do {
    const auto page = store_->ListJobs(2, from, {});
    ASSERT_TRUE(page.ok());
    for (const v1::Job& job : page->jobs) names.push_back(job.name());
    from = page->next;
    // What is created meanwhile does not disturb the pages to come.
    ASSERT_TRUE(store_->CreateJob(SomeJob("new-" + std::to_string(pages))).ok());
    ++pages;
  } while (from != 0);
  EXPECT_EQ(pages, 3);
  EXPECT_THAT(names, ElementsAre("jobs/e", "jobs/d", "jobs/c", "jobs/b", "jobs/a"));
}

TEST_P(StateStoreConformance, AFilterKeepsWhatMatches) {
  ASSERT_TRUE(store_->CreateJob(SomeJob("a", "nightly")).ok());
  ASSERT_TRUE(store_->CreateJob(SomeJob("b", "it's; DROP TABLE jobs")).ok());
  ASSERT_TRUE(store_->CreateJob(SomeJob("c", "nightly")).ok());
  ASSERT_TRUE(store_->UpdateJob("a", SetState(v1::JOB_STATE_FAILED)).ok());
  const auto names = [&](const char* filter) {
    const JobPage page = *store_->ListJobs(10, 0, *ParseJobFilter(filter));
    std::vector<std::string> found;
    for (const v1::Job& job : page.jobs) found.push_back(job.name());
    return found;
  };
  EXPECT_THAT(names("display_name = nightly"), ElementsAre("jobs/c", "jobs/a"));
  EXPECT_THAT(names("display_name = nightly AND state != FAILED"), ElementsAre("jobs/c"));
  EXPECT_THAT(names("display_name = \"it's; DROP TABLE jobs\""), ElementsAre("jobs/b"));
  EXPECT_THAT(names("state = SUCCEEDED"), IsEmpty());
}

TEST_P(StateStoreConformance, EventsAreReadFromAVersionOn) {
  ASSERT_TRUE(store_->CreateJob(SomeJob("j1")).ok());
  ASSERT_TRUE(store_->UpdateJob("j1", [](JobRows rows) { return NewVersion(std::move(rows), 4); }).ok());
  const auto all = store_->ReadEvents("j1", 0, 3);
  ASSERT_EQ(all->events.size(), 3u);
  EXPECT_EQ(all->events[0].version(), 1);
  const auto rest = store_->ReadEvents("j1", 3, 10);
  ASSERT_EQ(rest->events.size(), 2u);
  EXPECT_EQ(rest->events[1].job().version(), 5);
  EXPECT_FALSE(rest->too_old);
  EXPECT_THAT(store_->ReadEvents("j1", 5, 10)->events, IsEmpty());
  EXPECT_FALSE(store_->ReadEvents("j1", 5, 10)->too_old);
  EXPECT_TRUE(store_->ReadEvents("j1", 6, 10)->too_old) << "from a future that never was";
}

TEST_P(StateStoreConformance, WorkIsFoundByMemoryWithPriorityAndWhatRuns) {
  const auto found = [&](int64_t memory_bytes) {
    std::vector<std::string> jobs;
    const std::vector<WorkRef> found_jobs = *store_->JobsWithWork(memory_bytes);
    for (const WorkRef& job : found_jobs) {
      jobs.push_back(job.job_id + " " + std::to_string(job.priority) + " " + std::to_string(job.leases));
    }
    return jobs;
  };
  ASSERT_TRUE(store_->CreateJob(SomeJob("old")).ok());
  CreateJobRow urgent = SomeJob("new");
  urgent.rows.job.job.set_priority(5);
  ASSERT_TRUE(store_->CreateJob(urgent).ok());
  EXPECT_THAT(found(100), ElementsAre("old 0 0", "new 5 0"));
  // The old job's task that needs nothing is taken, the one that is left needs 100.
  ASSERT_TRUE(store_->UpdateJob("old", PutLease(0, SomeLease("old/task-0/1"))).ok());
  EXPECT_THAT(found(99), ElementsAre("new 5 0"));
  EXPECT_THAT(found(100), ElementsAre("old 0 1", "new 5 0"));
  ASSERT_TRUE(store_->UpdateJob("new", SetState(v1::JOB_STATE_PUBLISHING)).ok());
  EXPECT_THAT(found(100), ElementsAre("old 0 1"));
}

TEST_P(StateStoreConformance, AJobIsOverdueFromItsDeadlineUntilItPublishes) {
  const absl::Time now = absl::FromUnixSeconds(1'750'000'000);
  CreateJobRow create = SomeJob("j1");
  create.rows.job.job.mutable_deadline()->set_seconds(1'750'000'000);
  ASSERT_TRUE(store_->CreateJob(create).ok());
  ASSERT_TRUE(store_->CreateJob(SomeJob("without")).ok());
  EXPECT_THAT(*store_->OverdueJobs(now - absl::Seconds(1)), IsEmpty());
  EXPECT_THAT(*store_->OverdueJobs(now), ElementsAre("j1"));
  ASSERT_TRUE(store_->UpdateJob("j1", SetState(v1::JOB_STATE_PUBLISHING)).ok());
  EXPECT_THAT(*store_->OverdueJobs(now), IsEmpty());
}

TEST_P(StateStoreConformance, WhatWasAskedForIsKeptAlsoWhenTheJobIsGone) {
  const auto entry = [](const char* action, const char* resource) {
    return AuditRow{absl::FromUnixSeconds(1'750'000'000), action, resource, "ipv4:10.0.0.1:5", "why"};
  };
  CreateJobRow create = SomeJob("j1");
  create.audit.push_back(entry("create", "jobs/j1"));
  ASSERT_TRUE(store_->CreateJob(create).ok());
  ASSERT_TRUE(store_
                  ->UpdateJob("j1",
                              [&](JobRows) {
                                JobChanges changes;
                                changes.erase = true;
                                changes.audit.push_back(entry("delete", "jobs/j1"));
                                return changes;
                              })
                  .ok());
  ASSERT_TRUE(store_->PutWorker(SomeWorker("workers/a", 1)).ok());
  ASSERT_TRUE(store_->SetDraining("workers/a", true, entry("drain", "workers/a")).ok());
  ASSERT_TRUE(store_->SetDraining("workers/a", true, entry("drain", "workers/a")).ok()) << "no change, no entry";

  const auto all = *store_->ListAudit("", 0, 10);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].row.action, "drain") << "newest first";
  EXPECT_EQ(all[2].row.action, "create");
  EXPECT_EQ(all[2].row.caller, "ipv4:10.0.0.1:5");
  EXPECT_EQ(all[2].row.detail, "why");
  EXPECT_EQ(all[2].row.time, absl::FromUnixSeconds(1'750'000'000));
  const auto of_job = *store_->ListAudit("jobs/j1", 0, 1);
  ASSERT_EQ(of_job.size(), 1u);
  EXPECT_EQ(of_job[0].row.action, "delete");
  EXPECT_EQ((*store_->ListAudit("jobs/j1", of_job[0].number, 10))[0].row.action, "create");
}

TEST_P(StateStoreConformance, AWorkerThatDrainsDoesSoAlsoAfterARestart) {
  EXPECT_TRUE(absl::IsNotFound(store_->SetDraining("workers/a", true, {}).status()));
  ASSERT_TRUE(store_->PutWorker(SomeWorker("workers/a", 100)).ok());
  EXPECT_FALSE(store_->ReadWorker("workers/a")->worker.draining());
  EXPECT_TRUE(store_->SetDraining("workers/a", true, {})->worker.draining());
  ASSERT_TRUE(store_->PutWorker(SomeWorker("workers/a", 100, "i2")).ok());
  EXPECT_TRUE(store_->ReadWorker("workers/a")->worker.draining());
  EXPECT_EQ(store_->ReadFleet()->workers, 0) << "it takes nothing";
  EXPECT_EQ(store_->ReadFleet()->draining, 1);
  EXPECT_FALSE(store_->SetDraining("workers/a", false, {})->worker.draining());
  EXPECT_EQ(store_->ReadFleet()->workers, 1);
}

TEST_P(StateStoreConformance, JobsAreFoundByWhatTheyWaitFor) {
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(store_->CreateJob(SomeJob(id)).ok());
  ASSERT_TRUE(store_->UpdateJob("a", SetState(v1::JOB_STATE_SUCCEEDED)).ok());
  ASSERT_TRUE(store_->UpdateJob("b", SetState(v1::JOB_STATE_PUBLISHING)).ok());
  EXPECT_THAT(*store_->JobsToPublish(), ElementsAre("b"));
  EXPECT_THAT(*store_->IdleJobs(), ElementsAre("b", "c"));
  ASSERT_TRUE(store_->UpdateJob("c", PutLease(0, SomeLease("c/task-0/1"))).ok());
  EXPECT_THAT(*store_->IdleJobs(), ElementsAre("b"));

  EXPECT_THAT(*store_->LiveClaims(), IsEmpty());
  ASSERT_TRUE(store_
                  ->UpdateJob("b",
                              [](JobRows rows) {
                                rows.job.publisher = "p1";
                                rows.job.claim = 2;
                                rows.job.claim_beat = 3;
                                return NewVersion(std::move(rows));
                              })
                  .ok());
  const auto claims = store_->LiveClaims();
  ASSERT_EQ(claims->size(), 1u);
  EXPECT_EQ((*claims)[0].job_id, "b");
  EXPECT_EQ((*claims)[0].holder, "p1");
  EXPECT_EQ((*claims)[0].claim, 2);
  EXPECT_EQ((*claims)[0].beat, 3);
}

TEST_P(StateStoreConformance, CompletionHooksAreFoundWhenTheyAreDue) {
  const absl::Time now = absl::FromUnixSeconds(1'750'000'000);
  const auto pending_from = [](int64_t seconds, const std::string& caller, int64_t claim) {
    return [=](JobRows rows) {
      rows.job.job.set_state(v1::JOB_STATE_SUCCEEDED);
      v1::CompletionHook& hook = *rows.job.job.mutable_completion_hook();
      hook.set_state(v1::COMPLETION_HOOK_STATE_PENDING);
      hook.mutable_next_attempt_time()->set_seconds(seconds);
      rows.job.hook_caller = caller;
      rows.job.hook_claim = claim;
      return NewVersion(std::move(rows));
    };
  };
  for (const char* id : {"without", "late", "early"}) ASSERT_TRUE(store_->CreateJob(SomeJob(id)).ok());
  ASSERT_TRUE(store_->UpdateJob("late", pending_from(1'750'000'000, "", 0)).ok());
  ASSERT_TRUE(store_->UpdateJob("early", pending_from(1'749'999'999, "c1", 4)).ok());
  Reopen();
  EXPECT_THAT(*store_->JobsWithDueHook(now - absl::Seconds(2), 10), IsEmpty());
  EXPECT_THAT(*store_->JobsWithDueHook(now - absl::Milliseconds(1), 10), ElementsAre("early"));
  EXPECT_THAT(*store_->JobsWithDueHook(now, 10), ElementsAre("early", "late"));
  EXPECT_THAT(*store_->JobsWithDueHook(now, 1), ElementsAre("early"));
  EXPECT_EQ(*store_->CountPendingHooks(), 2);
  const auto claims = *store_->LiveHookClaims();
  ASSERT_EQ(claims.size(), 1u);
  EXPECT_EQ(claims[0].job_id, "early");
  EXPECT_EQ(claims[0].holder, "c1");
  EXPECT_EQ(claims[0].claim, 4);
  EXPECT_EQ(store_->ReadJob("early")->job.hook_caller, "c1");
  EXPECT_EQ(store_->ReadJob("early")->job.hook_claim, 4);

  ASSERT_TRUE(store_
                  ->UpdateJob("early",
                              [](JobRows rows) {
                                rows.job.job.mutable_completion_hook()->set_state(v1::COMPLETION_HOOK_STATE_DELIVERED);
                                return NewVersion(std::move(rows));
                              })
                  .ok());
  EXPECT_THAT(*store_->JobsWithDueHook(now, 10), ElementsAre("late"));
  EXPECT_THAT(*store_->LiveHookClaims(), IsEmpty());
}

TEST_P(StateStoreConformance, LeasesAreFoundByWorkerAndExpiredOnesAreNotLive) {
  ASSERT_TRUE(store_->CreateJob(SomeJob("j1")).ok());
  ASSERT_TRUE(store_->UpdateJob("j1", PutLease(0, SomeLease("j1/task-0/1", "workers/a"))).ok());
  LeaseRow expired = SomeLease("j1/task-1/1", "workers/b");
  expired.expired = true;
  ASSERT_TRUE(store_->UpdateJob("j1", PutLease(1, expired)).ok());

  const auto live = store_->LiveLeases();
  ASSERT_EQ(live->size(), 1u);
  EXPECT_EQ((*live)[0].job_id, "j1");
  EXPECT_EQ((*live)[0].task_id, "task-0");
  EXPECT_EQ((*live)[0].lease_id, "j1/task-0/1");
  EXPECT_EQ((*live)[0].beat, 5);
  const auto of_b = store_->LeasesOfWorker("workers/b");
  ASSERT_EQ(of_b->size(), 1u);
  EXPECT_TRUE((*of_b)[0].expired);
  EXPECT_EQ((*of_b)[0].request_id, "r1");

  ASSERT_TRUE(store_->UpdateJob("j1", PutLease(0, std::nullopt)).ok());
  EXPECT_THAT(*store_->LiveLeases(), IsEmpty());
}

TEST_P(StateStoreConformance, WorkersComeAndGo) {
  const absl::Time now = absl::FromUnixSeconds(1'750'000'000);
  EXPECT_EQ(store_->ReadFleet()->workers, 0);
  ASSERT_TRUE(store_->PutWorker(SomeWorker("workers/a", 100)).ok());
  ASSERT_TRUE(store_->PutWorker(SomeWorker("workers/b", 300)).ok());
  EXPECT_EQ(store_->ReadFleet()->workers, 2);
  EXPECT_EQ(store_->ReadFleet()->largest_memory_bytes, 300);

  const int64_t seen = store_->ReadWorker("workers/b")->seen;
  ASSERT_TRUE(store_->TouchWorker("workers/b", "i1", now).ok());
  EXPECT_EQ(store_->ReadWorker("workers/b")->worker.last_seen_time().seconds(), 1'750'000'000);
  EXPECT_FALSE(*store_->MarkWorkerLost("workers/b", "i1", seen)) << "it was seen since";
  EXPECT_FALSE(*store_->MarkWorkerLost("workers/b", "i0", seen + 1)) << "another process";
  EXPECT_TRUE(*store_->MarkWorkerLost("workers/b", "i1", seen + 1));
  EXPECT_TRUE(store_->ReadWorker("workers/b")->lost);
  EXPECT_EQ(store_->ReadFleet()->largest_memory_bytes, 100);

  ASSERT_TRUE(store_->TouchWorker("workers/b", "i0", now).ok());
  EXPECT_TRUE(store_->ReadWorker("workers/b")->lost) << "not of this process";
  ASSERT_TRUE(store_->TouchWorker("workers/b", "i1", now).ok());
  EXPECT_FALSE(store_->ReadWorker("workers/b")->lost) << "it is back";

  ASSERT_TRUE(store_->PutWorker(SomeWorker("workers/b", 500, "i2")).ok());
  EXPECT_EQ(store_->ReadWorker("workers/b")->worker.incarnation(), "i2");
  EXPECT_EQ(store_->ReadFleet()->largest_memory_bytes, 500);
  EXPECT_EQ(store_->ListWorkers("", 10)->size(), 2u);
  EXPECT_EQ((*store_->ListWorkers("", 1))[0].worker.name(), "workers/a");
  EXPECT_EQ((*store_->ListWorkers("workers/a", 10))[0].worker.name(), "workers/b");
}

TEST_P(StateStoreConformance, GarbageIsDueWhenItsLatestTimeHasCome) {
  ASSERT_TRUE(store_->CreateJob(SomeJob("j1")).ok());
  const absl::Time now = absl::FromUnixSeconds(1'750'000'000);
  for (const int seconds : {60, 10}) {
    ASSERT_TRUE(store_
                    ->UpdateJob("j1",
                                [&](JobRows) {
                                  JobChanges changes;
                                  changes.garbage.push_back({"/workspace/j1/x/", now + absl::Seconds(seconds)});
                                  return changes;
                                })
                    .ok());
  }
  EXPECT_THAT(*store_->DueGarbage(now + absl::Seconds(59), 10), IsEmpty());
  const auto due = store_->DueGarbage(now + absl::Seconds(60), 10);
  ASSERT_EQ(due->size(), 1u);
  EXPECT_EQ((*due)[0].uri, "/workspace/j1/x/");
  ASSERT_TRUE(store_->ForgetGarbage("/workspace/j1/x/").ok());
  EXPECT_THAT(*store_->DueGarbage(now + absl::Hours(1), 10), IsEmpty());

  const auto change = [&](std::vector<GarbageRow> garbage, std::vector<std::string> rescued) {
    return store_->UpdateJob("j1", [&](JobRows) {
      JobChanges changes;
      changes.garbage = garbage;
      changes.rescued = rescued;
      return changes;
    });
  };
  ASSERT_TRUE(change({{"/workspace/j1/", now}}, {}).ok());
  ASSERT_TRUE(change({}, {"/workspace/j1/"}).ok());
  EXPECT_THAT(*store_->DueGarbage(now, 10), IsEmpty()) << "it is needed again";
}

TEST_P(StateStoreConformance, AnErasedJobLeavesOnlyItsGarbage) {
  CreateJobRow create = SomeJob("j1");
  create.request_id = "r1";
  ASSERT_TRUE(store_->CreateJob(create).ok());
  ASSERT_TRUE(store_->UpdateJob("j1", PutLease(0, SomeLease("j1/task-0/1"))).ok());
  ASSERT_TRUE(store_
                  ->UpdateJob("j1",
                              [](JobRows rows) {
                                JobChanges changes;
                                changes.erase = true;
                                changes.garbage.push_back({rows.job.workspace_uri, absl::UnixEpoch()});
                                return changes;
                              })
                  .ok());
  EXPECT_TRUE(absl::IsNotFound(store_->ReadJob("j1").status()));
  EXPECT_THAT(store_->ListJobs(10, 0, {})->jobs, IsEmpty());
  EXPECT_THAT(*store_->LiveLeases(), IsEmpty());
  EXPECT_TRUE(store_->JobsWithWork(1000)->empty());
  EXPECT_FALSE(store_->FindCreated("r1", "")->has_value());
  EXPECT_EQ(store_->DueGarbage(absl::FromUnixSeconds(1), 10)->size(), 1u);
  EXPECT_TRUE(store_->CreateJob(SomeJob("j1")).ok()) << "folder and name are free again";
}

}  // namespace
}  // namespace besa::server::testing
