// What a worker is told about the task it leased.
#pragma once

#include "besa/v1/worker_service.pb.h"

#include "server/scheduler/options.h"
#include "server/state/rows.h"

namespace besa::server {

// `task` is one of rows.tasks and holds a lease.
v1::Assignment MakeAssignment(const JobRows& rows, const TaskRow& task, const SchedulerOptions& options);

}  // namespace besa::server
