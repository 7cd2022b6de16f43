// The state machines of jobs and tasks.
//
// Job:
//
//   PENDING --first lease--> PREPARING --prepare--> PRUNING --blocks, passthrough--> EVALUATING --evaluations--+
//      ^                                                                                                      |
//      |    without an evaluation PRUNING leads straight to PUBLISHING                                        v
//      |                                                          SUCCEEDED <--manifest written-- PUBLISHING <-+
//      |
//      +--retry-- FAILED <--a task failed for good, a gate is shut, or publishing did-- any of the five above
//                 CANCELLED <--last lease ended-- CANCELLING <--cancel-- PENDING, PREPARING, PRUNING, EVALUATING
//
// Task:
//
//   BLOCKED --dependencies committed--> PENDING --lease--> LEASED --commit--> COMMITTED (for good)
//                                         ^                 |  |
//                                         +--lost, failed,--+  +--hopeless, or attempts used up--> FAILED
//                                            handed back
//   BLOCKED, PENDING at once, LEASED when its lease ends --job cancelled or failed--> CANCELLED
//   all but COMMITTED --retry of the job--> BLOCKED
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "besa/v1/job.pb.h"

#include "server/scheduler/attempts.h"
#include "server/scheduler/job_edit.h"

namespace besa::server {

// PENDING, PREPARING, PRUNING, EVALUATING: tasks are leased.
bool IsRunnable(v1::JobState state);
// SUCCEEDED, FAILED, CANCELLED.
bool HasEnded(v1::JobState state);
// CANCELLING, CANCELLED, FAILED: what still runs shall stop.
bool IsStopped(v1::JobState state);
// Whether any task is LEASED.
bool AnythingLeased(const JobRows& rows);

// Moves the job on to the state that follows from its tasks. Called by JobEdit::Finish.
void AdvanceJob(JobEdit& edit);

// The job fails; what runs is told to stop, what waits is cancelled.
void FailJob(JobEdit& edit, const v1::JobError& error);
// Cancels every task that waits.
void StopWaitingTasks(JobEdit& edit);

// Who gets a lease.
struct LeaseTaker {
  std::string worker;
  std::string incarnation;
  // Empty for a lease that no request asked for.
  std::string request_id;
  // "cuda:0".
  std::string device;
};

// Gives the task, which waits for nobody else, to a worker: a new attempt begins. Whoever let the task expire loses it.
void StartLease(JobEdit& edit, size_t index, const LeaseTaker& taker);
// Ends the attempt that holds the task's lease, and the lease; the attempt's files become garbage. In a stopped job the
// task is CANCELLED whatever the end. Otherwise an end that counts, FAILED or EXPIRED, sends it back to PENDING or, if
// it was the last allowed, fails task and job; one that does not count sends it back to PENDING.
void EndLease(JobEdit& edit, size_t index, const AttemptEnd& end);
// The same for a lease whose holder may still come back: if the task goes back to PENDING the lease stays, expired.
void ExpireLease(JobEdit& edit, size_t index, const AttemptEnd& end);
// The holder of an expired lease came back before anybody took the task: it goes on as if nothing had happened.
void RenewLease(JobEdit& edit, size_t index);
// The task cannot succeed: it fails, and the job with it.
void FailTask(JobEdit& edit, size_t index, const AttemptEnd& end);

// FAILED_PRECONDITION with reason JOB_STATE.
absl::Status WrongState(const JobRow& job, absl::string_view action);

}  // namespace besa::server
