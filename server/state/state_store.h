// Where the coordinator's state lives. One interface, one conformance suite, several implementations.
//
// Contract
//   - Each call is one transaction. UpdateJob and UpdateTask lock the job before they read it, so that steps of one job
//     happen one after the other, whichever coordinator runs them.
//   - When a call that writes has returned OK, what it wrote survives the loss of power; not so beats, see UpdateTask.
//   - Thread-safe. Calls block for as long as the database takes, never for a worker or a client.
//   - Errors: NOT_FOUND (no such job or task), ALREADY_EXISTS, FAILED_PRECONDITION, INVALID_ARGUMENT as documented;
//     UNAVAILABLE if the database is busy or gone, RESOURCE_EXHAUSTED if its disk is full, DATA_LOSS if what it stores
//     cannot be read. A call that failed has changed nothing, with one exception: if the connection to a database
//     server breaks while the commit is on its way, UNAVAILABLE is returned and nobody knows. So whoever gets
//     UNAVAILABLE repeats the call, and every step is such that repeating it does no harm.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "server/state/job_filter.h"
#include "server/state/rows.h"

namespace besa::server {

// A step of the scheduler: the rows of a job in, what changes out. Pure; it may be called more than once.
using JobStep = std::function<JobChanges(JobRows)>;
// The same on the job and one of its tasks.
using TaskStep = std::function<JobChanges(const JobRow&, const TaskRow&)>;

// A job to be stored.
struct CreateJobRow {
  JobRows rows;
  // The version-1 event and what else the creation yields.
  std::vector<v1::WatchJobResponse> events;
  // Empty: none.
  std::string request_id;
  std::string request_hash;
  // Who asked for it.
  std::vector<AuditRow> audit;
};

// A job that has work for somebody.
struct WorkRef {
  std::string job_id;
  int32_t priority = 0;
  // Of its tasks, how many run.
  int64_t leases = 0;
};

// A stored AuditRow.
struct AuditRef {
  int64_t number = 0;
  AuditRow row;
};

// Jobs of one page, newest first.
struct JobPage {
  std::vector<v1::Job> jobs;
  // Where the next page begins; 0 after the last.
  int64_t next = 0;
};

// Events of a job after a version.
struct EventPage {
  // In order of their versions, none missing. At most as many as asked for.
  std::vector<v1::WatchJobResponse> events;
  // Events between the asked version and the oldest kept one are gone, or the version lies in the future.
  bool too_old = false;
};

// A running task's report.
struct ProgressRow {
  std::string task_id;
  v1::TaskProgress progress;
  int64_t serial = 0;
};

// A lease as the housekeeper and the worker's requests need it.
struct LeaseRef {
  std::string job_id;
  std::string task_id;
  std::string lease_id;
  std::string worker;
  std::string incarnation;
  std::string request_id;
  bool expired = false;
  int64_t beat = 0;
  int64_t moves = 0;
};

// A claim to publish, or to call a completion hook (which has no beats).
struct ClaimRef {
  std::string job_id;
  std::string holder;
  int64_t claim = 0;
  int64_t beat = 0;
};

// The fleet in short: what decides whether a task can run anywhere.
struct FleetSummary {
  // Workers that are connected and don't drain.
  int32_t workers = 0;
  // Device memory of the largest of them.
  int64_t largest_memory_bytes = 0;
  // Workers that are connected and drain.
  int32_t draining = 0;
};

class StateStore {
 public:
  virtual ~StateStore() = default;

  // Whether this process is the only coordinator on this state, so that a claim of another one is a dead one's.
  virtual bool single_coordinator() const = 0;

  // -- Jobs

  // Stores the job. If its request_id is known: the job of that request if the hash is the same, otherwise
  // ALREADY_EXISTS. FAILED_PRECONDITION with reason OUTPUT_RESERVED if a job that has not ended has the same
  // output_key.
  virtual absl::StatusOr<JobRows> CreateJob(const CreateJobRow& create) = 0;
  // The job that CreateJob made for this request id, if any. ALREADY_EXISTS if the hash differs.
  virtual absl::StatusOr<std::optional<v1::Job>> FindCreated(absl::string_view request_id,
                                                             absl::string_view request_hash) = 0;
  // Locks the job, loads its rows, calls `step`, writes the changes. FAILED_PRECONDITION (OUTPUT_RESERVED) if the
  // change brings an ended job back to life whose output folder another live job has reserved meanwhile.
  virtual absl::Status UpdateJob(absl::string_view job_id, const JobStep& step) = 0;
  // The same for one task. If nothing but beats change they may be lost should the database crash within a second.
  virtual absl::Status UpdateTask(absl::string_view job_id, absl::string_view task_id, const TaskStep& step) = 0;
  virtual absl::StatusOr<JobRows> ReadJob(absl::string_view job_id) = 0;
  // At most `limit` jobs, from JobPage::next of the page before, or from the newest if that is 0.
  virtual absl::StatusOr<JobPage> ListJobs(int32_t limit, int64_t from, const JobFilter& filter) = 0;

  // -- Watching

  virtual absl::StatusOr<EventPage> ReadEvents(absl::string_view job_id, int64_t after_version, int32_t limit) = 0;
  // Reports of running tasks stored after `serial`.
  virtual absl::StatusOr<std::vector<ProgressRow>> ReadProgress(absl::string_view job_id, int64_t after_serial) = 0;

  // -- Finding work

  // Jobs that have a PENDING task which needs at most `memory_bytes`, oldest first.
  virtual absl::StatusOr<std::vector<WorkRef>> JobsWithWork(int64_t memory_bytes) = 0;
  // Ids of the jobs in PUBLISHING, oldest first.
  virtual absl::StatusOr<std::vector<std::string>> JobsToPublish() = 0;
  // Ids of the jobs whose completion hook is due to be called, those that somebody is calling too; longest due first,
  // at most `limit`.
  virtual absl::StatusOr<std::vector<std::string>> JobsWithDueHook(absl::Time now, int32_t limit) = 0;
  // Jobs whose completion hook has not been delivered and not been given up, due or not.
  virtual absl::StatusOr<int64_t> CountPendingHooks() = 0;
  // Ids of the jobs that have not ended and of which no task is leased, oldest first.
  virtual absl::StatusOr<std::vector<std::string>> IdleJobs() = 0;
  virtual absl::StatusOr<std::vector<LeaseRef>> LeasesOfWorker(absl::string_view worker) = 0;

  // -- Workers

  // Inserts or replaces the row; it is connected from now on. Whether it drains stays as it was.
  virtual absl::Status PutWorker(const WorkerRow& worker) = 0;
  // NOT_FOUND if it never registered.
  virtual absl::StatusOr<WorkerRow> ReadWorker(absl::string_view name) = 0;
  // Counts `seen` up, stores `now` and unsets `lost`, if name and incarnation match. May be lost as beats may.
  virtual absl::Status TouchWorker(absl::string_view name, absl::string_view incarnation, absl::Time now) = 0;
  // Sets `lost` if the worker was not seen since `seen`. Returns whether it did.
  virtual absl::StatusOr<bool> MarkWorkerLost(absl::string_view name, absl::string_view incarnation, int64_t seen) = 0;
  // Workers in order of their names, after `after_name`, at most `limit`.
  virtual absl::StatusOr<std::vector<WorkerRow>> ListWorkers(absl::string_view after_name, int32_t limit) = 0;
  virtual absl::StatusOr<FleetSummary> ReadFleet() = 0;
  // Sets whether the worker drains and stores `audit` if that is a change. NOT_FOUND if it never registered.
  virtual absl::StatusOr<WorkerRow> SetDraining(absl::string_view name, bool draining, const AuditRow& audit) = 0;

  // -- Housekeeping

  // Leases that are live, of all jobs.
  virtual absl::StatusOr<std::vector<LeaseRef>> LiveLeases() = 0;
  // Claims to publish that are held.
  virtual absl::StatusOr<std::vector<ClaimRef>> LiveClaims() = 0;
  // Claims to call a completion hook that are held.
  virtual absl::StatusOr<std::vector<ClaimRef>> LiveHookClaims() = 0;
  // Ids of the jobs whose deadline has passed, of those that have neither ended nor begun to publish.
  virtual absl::StatusOr<std::vector<std::string>> OverdueJobs(absl::Time now) = 0;
  // What was asked for, newest first: entries with numbers below `before` (0: from the newest), of one resource or, if
  // that is empty, of all; at most `limit`.
  virtual absl::StatusOr<std::vector<AuditRef>> ListAudit(absl::string_view resource, int64_t before,
                                                          int32_t limit) = 0;
  // Folders whose time has come.
  virtual absl::StatusOr<std::vector<GarbageRow>> DueGarbage(absl::Time now, int32_t limit) = 0;
  // The folder is gone.
  virtual absl::Status ForgetGarbage(absl::string_view uri) = 0;
};

}  // namespace besa::server
