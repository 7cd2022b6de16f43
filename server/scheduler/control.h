// What people ask of a job: cancel, retry, delete; and the housekeeper's look at why it waits.
#pragma once

#include "besa/v1/job.pb.h"

#include "server/scheduler/context.h"

namespace besa::server {

// Grants and commits stop at once; CANCELLED when the last lease has ended. Cancelling again changes nothing.
// FAILED_PRECONDITION (JOB_STATE) once publishing began or the job ended otherwise.
Decision<v1::Job> OnCancel(JobRows rows, const Context& context);

// A FAILED job starts again as the next generation: committed tasks are kept, all others wait anew, attempts count from
// zero and their history stays. Leases that still run end: their results would not be taken any more. `ignore_gates`
// takes the gates out of its evaluations. FAILED_PRECONDITION (JOB_STATE) in any other state, (GATE) if a
// shut gate made it fail: the figures would not change; (WORKSPACE_EXPIRED) if its files have been deleted since.
Decision<v1::Job> OnRetry(JobRows rows, bool ignore_gates, const Context& context);

// The job's deadline has passed: it fails with reason DEADLINE, unless it publishes already or has ended.
Decision<Done> OnDeadline(JobRows rows, const Context& context);

// The job is forgotten and its workspace becomes garbage. FAILED_PRECONDITION (JOB_STATE) unless it has ended.
Decision<Done> OnDelete(JobRows rows, const Context& context);

// Brings pending_reason up to date with the fleet.
Decision<Done> OnRefresh(JobRows rows, const Context& context);

}  // namespace besa::server
