// The coordinator's core: every operation that the RPC layer, the publisher and the housekeeper need.
//
// Each call runs one pure function of the scheduler (see job_edit.h) in one transaction of the StateStore, then wakes
// whoever waits for the change. It keeps no state of its own, so any number of coordinators may work on one store.
//
//   RPC -> Coordinator -> StateStore::UpdateJob( rows -> OnSomething(rows, event, context) -> changes ) ->
//   ChangeNotifier
//
// Names are resource names ("jobs/{job}", "jobs/{job}/tasks/{task}", "workers/{worker}"). Errors beside those of the
// store: INVALID_ARGUMENT for malformed names, page sizes and tokens; NOT_FOUND; others as documented in proto/besa/v1.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "besa/v1/fleet_service.pb.h"
#include "besa/v1/job.pb.h"
#include "besa/v1/prune_service.pb.h"
#include "besa/v1/task.pb.h"
#include "besa/v1/worker_service.pb.h"

#include "server/scheduler/change_notifier.h"
#include "server/scheduler/context.h"
#include "server/scheduler/creation.h"
#include "server/scheduler/hook_delivery.h"
#include "server/scheduler/options.h"
#include "server/scheduler/publishing.h"
#include "server/state/state_store.h"
#include "storage/base/clock.h"

namespace besa::server {

// Where a watch stands. All zero: at its beginning.
struct WatchPosition {
  // WatchJobRequest.resume_version at first.
  int64_t version = 0;
  // Progress reports seen; only meaningful within one watch.
  int64_t progress = 0;
};

// What a watch sends next.
struct WatchPage {
  // May be empty: wait for ChangeNotifier::OnJob.
  std::vector<v1::WatchJobResponse> messages;
  // Pass it to the next call.
  WatchPosition next;
  // There are more messages already: call again at once.
  bool more = false;
  // The job has ended, none of its tasks runs any more, and `messages` holds the last change: close the stream.
  bool ended = false;
};

// Thread-safe.
class Coordinator {
 public:
  // Who asks for a change, as far as it is known: goes into the audit.
  struct Caller {
    // "ipv4:10.0.0.7:51234".
    std::string address;
  };

  // Fresh ids of jobs: unique, of [a-z0-9-].
  using IdSource = std::function<std::string()>;

  // All must outlive the coordinator.
  Coordinator(StateStore& store, ChangeNotifier& notifier, const Clock& clock, IdSource new_job_id,
              SchedulerOptions options);

  const SchedulerOptions& options() const { return options_; }

  // -- PruneService

  absl::StatusOr<v1::Job> CreateJob(const NewJob& request, const Caller& caller = {});
  // The job as CreateJob would make it, with a name; nothing is stored.
  absl::StatusOr<v1::Job> PreviewJob(const NewJob& request);
  // The job that an earlier CreateJob with this request_id made, to be asked before the request is validated anew.
  // ALREADY_EXISTS if the hash differs; nullopt if the id is empty or unknown.
  absl::StatusOr<std::optional<v1::Job>> FindCreated(absl::string_view request_id, absl::string_view request_hash);
  absl::StatusOr<v1::Job> GetJob(absl::string_view name);
  absl::StatusOr<v1::ListJobsResponse> ListJobs(const v1::ListJobsRequest& request);
  absl::StatusOr<WatchPage> EventsSince(absl::string_view name, WatchPosition position);
  absl::StatusOr<v1::Job> CancelJob(absl::string_view name, const Caller& caller = {});
  // Whether the inputs are unchanged is for the caller to check first: compare GetTask(.../prepare)'s fingerprints.
  absl::StatusOr<v1::Job> RetryJob(absl::string_view name, bool ignore_gates = false, const Caller& caller = {});
  // Forgets the job; its workspace becomes garbage (see DueGarbage).
  absl::Status DeleteJob(absl::string_view name, const Caller& caller = {});
  absl::StatusOr<v1::ListTasksResponse> ListTasks(const v1::ListTasksRequest& request);
  absl::StatusOr<v1::Task> GetTask(absl::string_view name);

  // -- WorkerService

  // The protocol's version is for the caller to check. Leases of an earlier incarnation end at once.
  absl::StatusOr<v1::RegisterWorkerResponse> RegisterWorker(const v1::RegisterWorkerRequest& request);
  // One try; never waits. An empty response: nothing to do now. To wait, subscribe to ChangeNotifier::OnWork first and
  // try again when woken, for at most a third of options().lease_term (a worker that is silent for a term is LOST).
  absl::StatusOr<v1::LeaseTaskResponse> Lease(const v1::LeaseTaskRequest& request);
  absl::StatusOr<v1::HeartbeatResponse> Heartbeat(const v1::HeartbeatRequest& request);
  absl::Status Commit(const v1::CommitTaskRequest& request);
  absl::Status Fail(const v1::FailTaskRequest& request);

  // -- FleetService

  absl::StatusOr<v1::ListWorkersResponse> ListWorkers(const v1::ListWorkersRequest& request);
  absl::StatusOr<v1::Worker> SetDraining(absl::string_view name, bool draining, const Caller& caller = {});
  absl::StatusOr<v1::ListAuditEntriesResponse> ListAuditEntries(const v1::ListAuditEntriesRequest& request);

  // -- Publisher

  // Claims the oldest job that is ready to be published and that nobody publishes. `publisher` is an id that is fresh
  // for each start of the process. Every step of publishing must be idempotent: the claim may move to somebody else.
  absl::StatusOr<std::optional<PublishingClaim>> ClaimPublishing(absl::string_view publisher);
  // Keeps the claim; call it every options().heartbeat_interval. ABORTED if it is no longer held: stop.
  absl::Status BeatPublishing(absl::string_view job, int64_t claim);
  // The manifest is in place: SUCCEEDED. ABORTED as above; repeating it returns OK.
  absl::Status FinishPublishing(absl::string_view job, int64_t claim);
  // Gives the claim up. INVALID_INPUT, INPUT_CHANGED and BAD_NUMBERS fail the job at once, other reasons after
  // max_publish_failures; until then it can be claimed again.
  absl::Status FailPublishing(absl::string_view job, int64_t claim, const v1::JobError& error);

  // -- Completion hooks

  // Claims the delivery that has been due for longest and that nobody makes. `caller` is an id that is fresh for each
  // start of the process; its threads may share it.
  absl::StatusOr<std::optional<HookClaim>> ClaimHook(absl::string_view caller);
  // The endpoint has answered with success. ABORTED if the claim is no longer held, as from FailHook.
  absl::Status FinishHook(absl::string_view job, int64_t claim);
  // It has not: the delivery is made again later, or given up.
  absl::Status FailHook(absl::string_view job, int64_t claim, const HookFailure& failure);

  // -- Housekeeping

  // Ends the lease if its beat has not moved since. Not holding any more is OK.
  absl::Status ExpireLease(const LeaseRef& lease);
  // Ends the lease if its progress has not moved since, whatever its beat did. As above.
  absl::Status ExpireStuckLease(const LeaseRef& lease);
  absl::Status ExpireClaim(const ClaimRef& claim);
  absl::Status ExpireHookClaim(const ClaimRef& claim);
  // Fails the jobs whose time_limit has run out.
  absl::Status FailOverdueJobs();
  absl::Status MarkWorkerLost(const WorkerRow& worker);
  // Brings the stored pending_reason of jobs that wait up to date with the fleet.
  absl::Status RefreshPendingReasons();
  // Folders that may be deleted now; after deleting one, forget it.
  absl::StatusOr<std::vector<GarbageRow>> DueGarbage(int32_t limit);
  absl::Status ForgetGarbage(absl::string_view uri);

 private:
  absl::StatusOr<Context> MakeContext();
  // Runs `step`, a function from JobRows and Context to Decision<Reply>, on the job, and wakes whom it concerns.
  template <class Reply, class Step>
  absl::StatusOr<Reply> Run(absl::string_view job_id, const Step& step);
  void Wake(absl::string_view job_id, const JobChanges& changes);
  // Run, with an entry in the audit if anything changed.
  template <class Reply, class Step>
  absl::StatusOr<Reply> RunAsked(absl::string_view job_id, const char* action, const std::string& detail,
                                 const Caller& caller, const Step& step);
  AuditRow Audit(const char* action, std::string resource, const std::string& detail, const Caller& caller);

  // FAILED_PRECONDITION with reason WORKER_UNKNOWN or WORKER_REPLACED.
  absl::StatusOr<WorkerRow> FindWorker(absl::string_view worker, absl::string_view incarnation);
  absl::Status EndLeasesOfOtherIncarnations(absl::string_view worker, absl::string_view incarnation,
                                            const std::vector<LeaseRef>& leases);
  absl::StatusOr<v1::LeaseTaskResponse> LeaseFrom(const std::vector<std::string>& job_ids,
                                                  const v1::LeaseTaskRequest& request, const v1::Worker& worker);
  // The worker was heard of.
  absl::Status Touch(absl::string_view worker, absl::string_view incarnation);

  StateStore& store_;
  ChangeNotifier& notifier_;
  const Clock& clock_;
  const IdSource new_job_id_;
  const SchedulerOptions options_;

  // When each worker was last touched, on the steady clock: only spares writes.
  std::mutex touched_mutex_;
  std::map<std::string, absl::Duration> touched_;
};

// Random ids for production: ten characters of [a-z2-7] from the system's entropy. Thread-safe.
std::string RandomJobId();

}  // namespace besa::server
