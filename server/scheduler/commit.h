// A worker commits the result of an attempt.
#pragma once

#include "absl/strings/string_view.h"
#include "besa/v1/task.pb.h"

#include "server/scheduler/context.h"
#include "server/scheduler/holder.h"

namespace besa::server {

// The first commit of a task wins and is final. Repeating that same commit (attempt, files and figures) returns OK, any
// other that does not hold the lease ABORTED, and so does a commit to a stopped job, whose lease ends with it.
// INVALID_ARGUMENT if the result does not fit the task; the lease lives on.
//
// `log_tail` is kept with the attempt.
//
// Unless the worker is `leaving`, the commit of a block in SCHEDULE_SEQUENTIAL leases the next one to it in the same
// step: it has the activations, and a worker that waits for work must not snatch the block away and begin by walking
// through all the blocks before. The worker learns of it by its next lease request, as of an answer that was lost.
Decision<Done> OnCommit(JobRows rows, absl::string_view task_id, const Holder& holder, const v1::TaskResult& result,
                        bool leaving, const Context& context, const std::vector<std::string>& log_tail = {});

}  // namespace besa::server
