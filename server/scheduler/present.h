// Rows as clients see them.
#pragma once

#include "besa/v1/job.pb.h"
#include "besa/v1/prune_service.pb.h"
#include "besa/v1/task.pb.h"

#include "server/scheduler/context.h"
#include "server/state/rows.h"

namespace besa::server {

// The task with its progress and pending_reason.
v1::Task ShowTask(const JobRows& rows, const TaskRow& task, const Context& context);
// The job with its remaining time as of now.
v1::Job ShowJob(const JobRows& rows, const Context& context);
v1::JobSnapshot ShowAll(const JobRows& rows, const Context& context);

}  // namespace besa::server
