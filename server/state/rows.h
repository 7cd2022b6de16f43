// What the state keeps of a job: one job row, one row per task, and at most one lease per task.
//
// The scheduler reads and writes these rows and nothing else; a StateStore stores them. What clients may see stands in
// the protos; what only the coordinator needs stands beside them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "besa/v1/fleet_service.pb.h"
#include "besa/v1/job.pb.h"
#include "besa/v1/prune_service.pb.h"
#include "besa/v1/task.pb.h"

namespace besa::server {

// The right of one worker process to run one attempt of one task.
struct LeaseRow {
  // "<job id>/<task id>/<attempt>": unique, because attempt numbers of a task never repeat.
  std::string id;
  int32_t attempt = 0;
  // "workers/{worker}".
  std::string worker;
  std::string incarnation;
  // Of the lease request that it answered.
  std::string request_id;
  // A term passed without a beat, but nobody took the task over: the holder may still renew it. The task is PENDING.
  bool expired = false;
  // Counts up with the heartbeats. A lease expires when this stands still for a term on the housekeeper's own steady
  // clock, so a coordinator that just started grants every lease a fresh term.
  int64_t beat = 0;
  // When the last beat was stored. For people and for coalescing beats, never for expiry.
  absl::Time beat_time = absl::InfinitePast();
  // The latest report.
  v1::TaskProgress progress;
  // Counts up per job with each stored report: what a watch resumes progress from. Set by the store.
  int64_t progress_serial = 0;
  // Counts up with the beats that reported another progress than the one before. As `beat`, but for a lease that beats
  // and gets nowhere.
  int64_t moves = 0;
};

// A task. `task.progress` and `task.pending_reason` are not stored: they are filled in when a task is shown.
struct TaskRow {
  // "prepare", "prune-00012", ...
  std::string id;
  // Place in the plan of the job, from 0: the order of ListTasks.
  int32_t position = 0;
  v1::Task task;
  // Live in LEASED; expired in PENDING; absent otherwise.
  std::optional<LeaseRow> lease;
};

// A job.
struct JobRow {
  // The {job} of "jobs/{job}".
  std::string id;
  v1::Job job;
  // Folder of everything the job's attempts write, with a slash at its end.
  std::string workspace_uri;
  // The output folder in the form in which two spellings of one folder are equal; unique among jobs that have not
  // ended.
  std::string output_key;
  // A task was leased in this generation.
  bool started = false;
  // Who publishes: an id that is fresh for each start of a coordinator. Empty: nobody.
  std::string publisher;
  // Number of the publisher's claim; each claim gets a new one.
  int64_t claim = 0;
  // As LeaseRow::beat, for the claim.
  int64_t claim_beat = 0;
  // Failures of publishing in this generation.
  int32_t publish_failures = 0;
  // Which coordinator is calling the completion hook, as `publisher`. Empty: none.
  std::string hook_caller;
  // Number of that call; each gets a new one. It has no beats: a call takes a part of a term only.
  int64_t hook_claim = 0;
};

// A job with all its tasks, in the order of the plan.
struct JobRows {
  JobRow job;
  std::vector<TaskRow> tasks;
};

// A folder that may be deleted once `due` has passed.
struct GarbageRow {
  std::string uri;
  absl::Time due;
};

// Something that somebody asked for and got. Kept for good, also when its job is deleted.
struct AuditRow {
  absl::Time time = absl::InfinitePast();
  // "create", "cancel", "retry", "delete", "drain", "undrain".
  std::string action;
  // "jobs/{job}" or "workers/{worker}".
  std::string resource;
  // Who asked, as far as it is known.
  std::string caller;
  std::string detail;
};

// What one step of the scheduler changes.
struct JobChanges {
  // The job, if it changed.
  std::optional<JobRow> job;
  // Tasks to insert or to replace, their leases with them.
  std::vector<TaskRow> tasks;
  // Leases of which only beat and progress changed.
  std::vector<LeaseRow> beats;
  // What watchers are told, each with its own version, ascending.
  std::vector<v1::WatchJobResponse> events;
  // Folders that nobody needs any more.
  std::vector<GarbageRow> garbage;
  // Folders that are no garbage any more, unless `garbage` says when they will be.
  std::vector<std::string> rescued;
  // Who asked for this change, if anybody did.
  std::vector<AuditRow> audit;
  // Forget the job, its tasks, leases and events.
  bool erase = false;

  bool empty() const {
    return !job && tasks.empty() && beats.empty() && events.empty() && garbage.empty() && rescued.empty() &&
           audit.empty() && !erase;
  }
};

// A worker process.
struct WorkerRow {
  // name, incarnation, device, version, draining and the times. State and tasks are derived when it is shown.
  v1::Worker worker;
  // Counts up when the worker is heard of; as LeaseRow::beat.
  int64_t seen = 0;
  // Not heard of for a term.
  bool lost = false;
};

}  // namespace besa::server
