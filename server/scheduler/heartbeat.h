// Leases live on, or expire.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "besa/v1/task.pb.h"

#include "server/scheduler/context.h"
#include "server/scheduler/holder.h"

namespace besa::server {

struct HeartbeatReply {
  // The job was stopped: the worker shall end the attempt.
  bool cancel = false;
  // The lease had expired: OnRenewed has to be run.
  bool renew = false;
};

// A beat of a lease, on the job and the one task: heartbeats are the most frequent event by far. Beats and progress are
// stored at most once per options.progress_interval and don't advance the job's version. In a stopped job a beat does
// not keep the lease alive: a worker that will not hear ends by expiry. ABORTED if the lease is lost.
Decision<HeartbeatReply> OnHeartbeat(const JobRow& job, const TaskRow& task, const Holder& holder,
                                     const v1::TaskProgress& progress, const Context& context);

// The holder of an expired lease came back. ABORTED if somebody else has the task by now.
Decision<Done> OnRenewed(JobRows rows, absl::string_view task_id, const Holder& holder,
                         const v1::TaskProgress& progress, const Context& context);

// Whether the second report shows that the task got on since the first: another stage or step.
bool HasMoved(const v1::TaskProgress& before, const v1::TaskProgress& now);

// The lease's progress stood still at `moves` for options.progress_term, whatever its beat did. Unlike a lease that
// fell silent, this one cannot be renewed: its holder is told to stop. Changes nothing if it has moved since.
Decision<Done> OnLeaseStuck(JobRows rows, absl::string_view task_id, absl::string_view lease_id, int64_t moves,
                            const Context& context);

// The lease's beat stood still at `beat` for a term. Changes nothing if it has moved since.
Decision<Done> OnLeaseExpired(JobRows rows, absl::string_view task_id, absl::string_view lease_id, int64_t beat,
                              const Context& context);

}  // namespace besa::server
