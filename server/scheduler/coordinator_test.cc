#include "server/scheduler/coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "server/scheduler/coordinator_testing.h"
#include "storage/base/error_info.h"

namespace besa::server {
namespace {

using testing::CoordinatorBench;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::TestRequest;
using testing::TestWorker;

const TestWorker kA{"workers/a", "a-1"};
const TestWorker kB{"workers/b", "b-1"};

std::string Reason(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  return info ? info->reason : "";
}

TEST(Coordinator, AJobGoesFromCreationToSuccess) {
  CoordinatorBench bench;
  ASSERT_TRUE(bench.Register(kA).ok());
  const std::string name = bench.CreateJob(2);
  EXPECT_EQ(bench.coordinator->GetJob(name)->state(), v1::JOB_STATE_PENDING);
  bench.WorkOff(kA);
  const auto job = bench.coordinator->GetJob(name);
  EXPECT_EQ(job->state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(job->result().zeros(), 1001);
  EXPECT_EQ(job->progress().tasks_committed(), 6);
  const auto garbage = bench.coordinator->DueGarbage(10);
  ASSERT_EQ(garbage->size(), 1u);
  EXPECT_EQ((*garbage)[0].uri, "/workspace/j1/");
}

TEST(Coordinator, ThePreviewOfAJobStoresNothing) {
  CoordinatorBench bench;
  const auto job = bench.coordinator->PreviewJob(TestRequest(2, true));
  ASSERT_TRUE(job.ok());
  EXPECT_EQ(job->progress().tasks_total(), 6);
  EXPECT_TRUE(absl::IsNotFound(bench.coordinator->GetJob(job->name()).status()));
}

TEST(Coordinator, ARepeatedCreateReturnsTheJobItMadeBefore) {
  CoordinatorBench bench;
  NewJob request = TestRequest(1, false);
  request.request_id = "r1";
  request.request_hash = "h1";
  const auto job = bench.coordinator->CreateJob(request);
  EXPECT_EQ(bench.coordinator->CreateJob(request)->name(), job->name());
  EXPECT_EQ((*bench.coordinator->FindCreated("r1", "h1"))->name(), job->name());
  request.request_hash = "h2";
  EXPECT_TRUE(absl::IsAlreadyExists(bench.coordinator->CreateJob(request).status()));
}

TEST(Coordinator, TheOldestJobComesFirstAndTwoWorkersShareIt) {
  CoordinatorBench bench;
  ASSERT_TRUE(bench.Register(kA).ok());
  ASSERT_TRUE(bench.Register(kB).ok());
  const std::string old = bench.CreateJob(2);
  const std::string young = bench.CreateJob(2);
  const auto prepare = bench.Lease(kA, "r1")->assignment();
  EXPECT_EQ(prepare.lease().task(), old + "/tasks/prepare");
  EXPECT_EQ(bench.Lease(kB, "r1")->assignment().lease().task(), young + "/tasks/prepare")
      << "the old job has nothing else to do yet";
  ASSERT_TRUE(bench.Commit(kA, prepare).ok());
  const auto passthrough = bench.Lease(kA, "r2")->assignment();
  EXPECT_EQ(passthrough.lease().task(), old + "/tasks/passthrough");
  TestWorker a = kA;
  a.held = {passthrough.lease().id()};
  EXPECT_EQ(bench.Lease(a, "r3")->assignment().lease().task(), old + "/tasks/prune-00000");
  TestWorker b = kB;
  b.held = {"j2/prepare/1"};
  EXPECT_EQ(bench.Lease(b, "r2")->assignment().lease().task(), old + "/tasks/prune-00001");
}

TEST(Coordinator, TheCursorOfAnotherJobDoesNotMatter) {
  CoordinatorBench bench;
  ASSERT_TRUE(bench.Register(kA).ok());
  const std::string name = bench.CreateJob(3);
  for (const char* request : {"prepare", "passthrough"}) {
    ASSERT_TRUE(bench.Commit(kA, bench.Lease(kA, request)->assignment()).ok());
  }
  v1::Cursor cursor;
  cursor.set_job("jobs/another");
  cursor.set_block(2);
  TestWorker a = kA;
  const auto first = bench.Lease(a, "r2", cursor)->assignment();
  EXPECT_EQ(first.lease().task(), name + "/tasks/prune-00000");
  a.held = {first.lease().id()};
  cursor.set_job(name);
  EXPECT_EQ(bench.Lease(a, "r3", cursor)->assignment().block(), 2);
}

TEST(Coordinator, ALostAnswerIsGivenAgainWhicheverJobItWasOf) {
  CoordinatorBench bench;
  ASSERT_TRUE(bench.Register(kA).ok());
  bench.CreateJob(1);
  const auto granted = bench.Lease(kA, "r1");
  bench.CreateJob(1);
  EXPECT_EQ(bench.Lease(kA, "r1")->SerializeAsString(), granted->SerializeAsString());
  bench.RestartCoordinator();
  EXPECT_EQ(bench.Lease(kA, "r2")->assignment().lease().id(), granted->assignment().lease().id());
}

TEST(Coordinator, AWorkerHasToRegisterFirst) {
  CoordinatorBench bench;
  const absl::Status status = bench.Lease(kA, "r1").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_EQ(Reason(status), "WORKER_UNKNOWN");
}

TEST(Coordinator, TheProcessThatRegisteredLastHasTheName) {
  CoordinatorBench bench;
  ASSERT_TRUE(bench.Register(kA).ok());
  bench.CreateJob(1);
  const auto lease = bench.Lease(kA, "r1")->assignment();
  ASSERT_TRUE(bench.Register({"workers/a", "a-2"}).ok());
  EXPECT_EQ(Reason(bench.Lease(kA, "r2").status()), "WORKER_REPLACED");
  EXPECT_TRUE(absl::IsAborted(bench.Commit(kA, lease)));
  EXPECT_EQ(bench.Lease({"workers/a", "a-2"}, "r1")->assignment().lease().attempt(), 2);
}

TEST(Coordinator, MalformedRequestsAreRefusedNamingTheField) {
  CoordinatorBench bench;
  EXPECT_TRUE(absl::IsInvalidArgument(bench.Register({"a", "a-1"})));
  EXPECT_TRUE(absl::IsInvalidArgument(bench.Register({"workers/a", ""})));
  EXPECT_TRUE(absl::IsInvalidArgument(bench.Register({"workers/a", "a-1", 0})));
  EXPECT_TRUE(absl::IsInvalidArgument(bench.Lease(kA, "").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(bench.Heartbeat(kA, {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(bench.coordinator->GetJob("j1").status()));
  v1::ListJobsRequest list;
  list.set_filter("state = RUNNING");
  EXPECT_TRUE(absl::IsInvalidArgument(bench.coordinator->ListJobs(list).status()));
}

TEST(Coordinator, WorkersAreListedWithWhatTheyDo) {
  CoordinatorBench bench;
  ASSERT_TRUE(bench.Register(kA).ok());
  ASSERT_TRUE(bench.Register(kB).ok());
  const std::string name = bench.CreateJob(1);
  ASSERT_TRUE(bench.Lease(kB, "r1").ok());
  v1::ListWorkersRequest request;
  request.set_page_size(1);
  const auto first = bench.coordinator->ListWorkers(request);
  ASSERT_EQ(first->workers_size(), 1);
  EXPECT_EQ(first->workers(0).name(), "workers/a");
  EXPECT_EQ(first->workers(0).state(), v1::WORKER_STATE_IDLE);
  request.set_page_token(first->next_page_token());
  const auto second = bench.coordinator->ListWorkers(request);
  ASSERT_EQ(second->workers_size(), 1);
  EXPECT_EQ(second->workers(0).state(), v1::WORKER_STATE_BUSY);
  EXPECT_THAT(second->workers(0).tasks(), ElementsAre(name + "/tasks/prepare"));
  EXPECT_EQ(second->next_page_token(), "");
}

TEST(Coordinator, TasksAreListedPageByPage) {
  CoordinatorBench bench;
  v1::ListTasksRequest request;
  request.set_parent(bench.CreateJob(2));
  request.set_page_size(4);
  const auto first = bench.coordinator->ListTasks(request);
  ASSERT_EQ(first->tasks_size(), 4);
  EXPECT_EQ(first->tasks(0).pending_reason(), "no workers are connected");
  request.set_page_token(first->next_page_token());
  const auto second = bench.coordinator->ListTasks(request);
  ASSERT_EQ(second->tasks_size(), 2);
  EXPECT_EQ(second->tasks(1).name(), request.parent() + "/tasks/evaluate-pruned");
  EXPECT_EQ(second->next_page_token(), "");
  EXPECT_EQ(bench.coordinator->GetTask(second->tasks(1).name())->kind(), v1::TASK_KIND_EVALUATE_PRUNED);
  EXPECT_TRUE(absl::IsNotFound(bench.coordinator->GetTask(request.parent() + "/tasks/prune-00009").status()));
}

TEST(Coordinator, JobsAreListedPageByPageWithinOneFilter) {
  CoordinatorBench bench;
  for (int i = 0; i < 3; ++i) bench.CreateJob(1);
  v1::ListJobsRequest request;
  request.set_page_size(2);
  const auto first = bench.coordinator->ListJobs(request);
  ASSERT_EQ(first->jobs_size(), 2);
  EXPECT_EQ(first->jobs(0).name(), "jobs/j3");
  request.set_page_token(first->next_page_token());
  const auto second = bench.coordinator->ListJobs(request);
  ASSERT_EQ(second->jobs_size(), 1);
  EXPECT_EQ(second->next_page_token(), "");
  request.set_filter("state = PENDING");
  EXPECT_TRUE(absl::IsInvalidArgument(bench.coordinator->ListJobs(request).status())) << "a token of another list";
}

TEST(Coordinator, ADeletedJobIsGoneAlsoForItsWorkers) {
  CoordinatorBench bench;
  ASSERT_TRUE(bench.Register(kA).ok());
  ASSERT_TRUE(bench.Register(kB).ok());
  const std::string name = bench.CreateJob(2);
  ASSERT_TRUE(bench.Commit(kA, bench.Lease(kA, "r1")->assignment()).ok());
  const auto one = bench.Lease(kA, "r2")->assignment();
  const auto other = bench.Lease(kB, "r1")->assignment();
  ASSERT_TRUE(bench.Fail(kA, one, v1::FAILURE_REASON_BAD_NUMBERS).ok());
  ASSERT_TRUE(bench.coordinator->DeleteJob(name).ok());
  EXPECT_TRUE(absl::IsNotFound(bench.coordinator->GetJob(name).status()));
  EXPECT_TRUE(absl::IsAborted(bench.Heartbeat(kB, other).status()));
  EXPECT_TRUE(absl::IsAborted(bench.Commit(kB, other)));
  EXPECT_TRUE(absl::IsAborted(bench.Fail(kB, other, v1::FAILURE_REASON_INTERNAL)));
  EXPECT_THAT(*bench.coordinator->DueGarbage(10), IsEmpty()) << "the other worker may still be writing";
  bench.clock.Advance(2 * bench.options.lease_term);
  EXPECT_FALSE(bench.coordinator->DueGarbage(10)->empty());
}

TEST(Coordinator, ARestartedCoordinatorTakesItsOwnPublishingUpAtOnce) {
  CoordinatorBench bench;
  ASSERT_TRUE(bench.Register(kA).ok());
  const std::string name = bench.CreateJob(1);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(bench.Commit(kA, bench.Lease(kA, "r" + std::to_string(i))->assignment()).ok());
  }
  const auto before = *bench.coordinator->ClaimPublishing("process-1");
  ASSERT_TRUE(before.has_value());
  bench.RestartCoordinator();
  const auto after = *bench.coordinator->ClaimPublishing("process-2");
  ASSERT_TRUE(after.has_value());
  EXPECT_TRUE(absl::IsAborted(bench.coordinator->BeatPublishing(name, before->claim)));
  EXPECT_TRUE(bench.coordinator->BeatPublishing(name, after->claim).ok());
  EXPECT_TRUE(bench.coordinator->FinishPublishing(name, after->claim).ok());
}

// -- Watching

TEST(Watch, BeginsWithASnapshotAndMissesNothing) {
  CoordinatorBench bench;
  ASSERT_TRUE(bench.Register(kA).ok());
  const std::string name = bench.CreateJob(1);
  WatchPage page = *bench.coordinator->EventsSince(name, {});
  ASSERT_EQ(page.messages.size(), 1u);
  EXPECT_EQ(page.messages[0].snapshot().tasks_size(), 5);
  EXPECT_FALSE(page.messages[0].reset());
  EXPECT_FALSE(page.ended);

  bench.WorkOff(kA);
  int64_t version = page.next.version;
  std::set<std::string> committed;
  while (!page.ended) {
    page = *bench.coordinator->EventsSince(name, page.next);
    for (const v1::WatchJobResponse& message : page.messages) {
      EXPECT_EQ(message.version(), ++version);
      if (message.task().state() == v1::TASK_STATE_COMMITTED) committed.insert(message.task().name());
    }
  }
  EXPECT_EQ(committed.size(), 5u);
  EXPECT_EQ(page.messages.back().job().state(), v1::JOB_STATE_SUCCEEDED);
}

TEST(Watch, ResumesWhereItWasAlsoAfterARestartOfTheCoordinator) {
  CoordinatorBench bench;
  ASSERT_TRUE(bench.Register(kA).ok());
  const std::string name = bench.CreateJob(1);
  const WatchPage first = *bench.coordinator->EventsSince(name, {});
  ASSERT_TRUE(bench.Lease(kA, "r1").ok());
  bench.RestartCoordinator();
  const WatchPage second = *bench.coordinator->EventsSince(name, first.next);
  ASSERT_EQ(second.messages.size(), 2u);
  EXPECT_EQ(second.messages[0].task().state(), v1::TASK_STATE_LEASED);
  EXPECT_EQ(second.messages[0].version(), first.next.version + 1);
}

TEST(Watch, FromATokenThatIsTooOldIsResetByASnapshot) {
  CoordinatorBench bench({}, /*keep_events=*/3);
  ASSERT_TRUE(bench.Register(kA).ok());
  const std::string name = bench.CreateJob(1);
  bench.WorkOff(kA);
  const WatchPage page = *bench.coordinator->EventsSince(name, {.version = 1});
  ASSERT_EQ(page.messages.size(), 1u);
  EXPECT_TRUE(page.messages[0].reset());
  EXPECT_EQ(page.messages[0].snapshot().job().state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_TRUE(page.ended);
}

TEST(Watch, ProgressArrivesWithoutAVersionOfItsOwn) {
  CoordinatorBench bench;
  ASSERT_TRUE(bench.Register(kA).ok());
  const std::string name = bench.CreateJob(1);
  const auto prepare = bench.Lease(kA, "r1")->assignment();
  const WatchPage snapshot = *bench.coordinator->EventsSince(name, {});
  bench.clock.Advance(absl::Seconds(2));
  ASSERT_TRUE(bench.Heartbeat(kA, prepare, 5).ok());
  bench.clock.Advance(absl::Seconds(2));
  ASSERT_TRUE(bench.Heartbeat(kA, prepare, 6).ok());
  const WatchPage page = *bench.coordinator->EventsSince(name, snapshot.next);
  ASSERT_EQ(page.messages.size(), 1u) << "coalesced to the latest";
  EXPECT_EQ(page.messages[0].progress().progress().step(), 6);
  EXPECT_EQ(page.messages[0].version(), snapshot.next.version);
  EXPECT_THAT(bench.coordinator->EventsSince(name, page.next)->messages, IsEmpty()) << "said once";
}

TEST(Watch, OfAFailedJobEndsWhenTheLastTaskHasStopped) {
  CoordinatorBench bench;
  ASSERT_TRUE(bench.Register(kA).ok());
  ASSERT_TRUE(bench.Register(kB).ok());
  const std::string name = bench.CreateJob(2);
  ASSERT_TRUE(bench.Commit(kA, bench.Lease(kA, "r1")->assignment()).ok());
  const auto one = bench.Lease(kA, "r2")->assignment();
  const auto other = bench.Lease(kB, "r1")->assignment();
  ASSERT_TRUE(bench.Fail(kA, one, v1::FAILURE_REASON_BAD_NUMBERS).ok());
  const WatchPage page = *bench.coordinator->EventsSince(name, {});
  EXPECT_FALSE(page.ended);
  ASSERT_TRUE(bench.Fail(kB, other, v1::FAILURE_REASON_CANCELLED).ok());
  const WatchPage last = *bench.coordinator->EventsSince(name, page.next);
  EXPECT_EQ(last.messages.back().task().state(), v1::TASK_STATE_CANCELLED);
  EXPECT_TRUE(last.ended);
}

// -- Wake-ups

TEST(WakeUps, ReachWhoWaitsForAJobForWorkAndForPublishing) {
  CoordinatorBench bench;
  int job_changes = 0;
  int work = 0;
  int publishing = 0;
  ASSERT_TRUE(bench.Register(kA).ok());
  const auto on_work = bench.notifier.OnWork([&] { ++work; });
  const auto on_publishing = bench.notifier.OnPublishing([&] { ++publishing; });
  bench.CreateJob(1, /*evaluation=*/false);
  EXPECT_EQ(work, 1);
  const auto on_job = bench.notifier.OnJob("j1", [&] { ++job_changes; });

  const auto prepare = bench.Lease(kA, "r1")->assignment();
  EXPECT_EQ(job_changes, 1);
  EXPECT_EQ(work, 1) << "a lease frees nothing";
  bench.clock.Advance(absl::Seconds(2));
  ASSERT_TRUE(bench.Heartbeat(kA, prepare, 1).ok());
  EXPECT_EQ(job_changes, 2);
  ASSERT_TRUE(bench.Commit(kA, prepare).ok());
  EXPECT_EQ(work, 2) << "blocks are free now";
  ASSERT_TRUE(bench.Commit(kA, bench.Lease(kA, "r2")->assignment()).ok());
  EXPECT_EQ(publishing, 0);
  ASSERT_TRUE(bench.Commit(kA, bench.Lease(kA, "r3")->assignment()).ok());
  EXPECT_EQ(publishing, 1);
}

TEST(Coordinator, TwoJobsShareTwoWorkersAndAHigherPriorityGetsBoth) {
  CoordinatorBench bench;
  ASSERT_TRUE(bench.Register(kA).ok());
  ASSERT_TRUE(bench.Register(kB).ok());
  const std::string first = bench.CreateJob(4);
  const std::string second = bench.CreateJob(4);
  TestWorker a = kA;
  TestWorker b = kB;
  int requests = 0;
  const auto next = [&](TestWorker& worker) {
    const v1::Assignment assignment = bench.Lease(worker, absl::StrCat("r", ++requests))->assignment();
    worker.held = {assignment.lease().id()};
    return assignment;
  };
  v1::Assignment of_a = next(a);
  v1::Assignment of_b = next(b);
  std::map<std::string, int> grants;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(bench.Commit(a, of_a).ok());
    of_a = next(a);
    ASSERT_TRUE(bench.Commit(b, of_b).ok());
    of_b = next(b);
    ++grants[of_a.lease().task().substr(0, first.size())];
    ++grants[of_b.lease().task().substr(0, first.size())];
  }
  EXPECT_EQ(grants[first], 3);
  EXPECT_EQ(grants[second], 3);

  NewJob urgent = testing::TestRequest(4, false);
  urgent.output_key = "/out/urgent";
  urgent.priority = 10;
  const std::string name = bench.coordinator->CreateJob(urgent)->name();
  ASSERT_TRUE(bench.Commit(a, of_a).ok());
  of_a = next(a);
  EXPECT_EQ(of_a.lease().task(), name + "/tasks/prepare");
  ASSERT_TRUE(bench.Commit(a, of_a).ok());
  ASSERT_TRUE(bench.Commit(b, of_b).ok());
  EXPECT_EQ(next(a).lease().task(), name + "/tasks/passthrough");
  EXPECT_EQ(next(b).lease().task(), name + "/tasks/prune-00000");
}

TEST(Coordinator, AWorkerThatDrainsFinishesItsTaskAndGetsNoMoreUntilUndrained) {
  CoordinatorBench bench;
  ASSERT_TRUE(bench.Register(kA).ok());
  const std::string name = bench.CreateJob(2, /*evaluation=*/false, v1::SCHEDULE_SEQUENTIAL);
  for (const char* request : {"prepare", "passthrough"}) {
    ASSERT_TRUE(bench.Commit(kA, bench.Lease(kA, request)->assignment()).ok());
  }
  const v1::Assignment block = bench.Lease(kA, "r2")->assignment();
  const v1::Worker drained = *bench.coordinator->SetDraining("workers/a", true, {"ipv4:10.0.0.1:7"});
  EXPECT_TRUE(drained.draining());
  EXPECT_EQ(drained.state(), v1::WORKER_STATE_BUSY);
  EXPECT_EQ(drained.tasks(0), name + "/tasks/prune-00000");
  TestWorker a = kA;
  a.held = {block.lease().id()};
  ASSERT_TRUE(bench.Commit(a, block).ok()) << "what it runs it finishes";
  a.held.clear();
  EXPECT_FALSE(bench.Lease(a, "r3")->has_assignment()) << "not even the next block, of which it has the activations";
  EXPECT_EQ(bench.coordinator->ListWorkers({})->workers(0).draining(), true);
  a.incarnation = "a-2";
  ASSERT_TRUE(bench.Register(a).ok());
  EXPECT_FALSE(bench.Lease(a, "r4")->has_assignment()) << "started anew, it still drains";

  bool woken = false;
  const auto subscription = bench.notifier.OnWork([&] { woken = true; });
  ASSERT_TRUE(bench.coordinator->SetDraining("workers/a", false, {}).ok());
  EXPECT_TRUE(woken);
  EXPECT_TRUE(bench.Lease(a, "r5")->has_assignment());
}

TEST(Coordinator, EveryChangeThatWasAskedForHasItsEntryInTheAudit) {
  CoordinatorBench bench;
  ASSERT_TRUE(bench.Register(kA).ok());
  NewJob request = testing::TestRequest(2, false);
  request.output_key = "/out/audited";
  const std::string name = bench.coordinator->CreateJob(request, {"ipv4:10.0.0.1:1"})->name();
  const v1::Assignment prepare = bench.Lease(kA, "r1")->assignment();
  ASSERT_TRUE(bench.Fail(kA, prepare, v1::FAILURE_REASON_BAD_NUMBERS).ok());
  ASSERT_TRUE(bench.coordinator->RetryJob(name, /*ignore_gates=*/true, {"ipv4:10.0.0.1:2"}).ok());
  ASSERT_TRUE(bench.coordinator->CancelJob(name, {"ipv4:10.0.0.1:3"}).ok());
  ASSERT_TRUE(bench.coordinator->CancelJob(name, {"ipv4:10.0.0.1:4"}).ok()) << "changes nothing, so it is no entry";
  EXPECT_FALSE(bench.coordinator->RetryJob(name).ok()) << "nor is what was refused";
  ASSERT_TRUE(bench.coordinator->DeleteJob(name, {"ipv4:10.0.0.1:5"}).ok());
  ASSERT_TRUE(bench.coordinator->SetDraining("workers/a", true, {"ipv4:10.0.0.1:6"}).ok());

  v1::ListAuditEntriesRequest all;
  const v1::ListAuditEntriesResponse entries = *bench.coordinator->ListAuditEntries(all);
  std::vector<std::string> lines;
  for (const v1::AuditEntry& entry : entries.entries()) {
    lines.push_back(absl::StrCat(entry.action(), " ", entry.resource(), " ", entry.caller(), " ", entry.detail()));
  }
  EXPECT_THAT(lines, ElementsAre("drain workers/a ipv4:10.0.0.1:6 ", absl::StrCat("delete ", name, " ipv4:10.0.0.1:5 "),
                                 absl::StrCat("cancel ", name, " ipv4:10.0.0.1:3 "),
                                 absl::StrCat("retry ", name, " ipv4:10.0.0.1:2 ignore_gates"),
                                 absl::StrCat("create ", name, " ipv4:10.0.0.1:1 to /out/audited")));
  v1::ListAuditEntriesRequest paged;
  paged.set_resource(name);
  paged.set_page_size(3);
  const v1::ListAuditEntriesResponse page = *bench.coordinator->ListAuditEntries(paged);
  EXPECT_EQ(page.entries_size(), 3);
  paged.set_page_token(page.next_page_token());
  EXPECT_EQ(bench.coordinator->ListAuditEntries(paged)->entries(0).action(), "create");
}

}  // namespace
}  // namespace besa::server
