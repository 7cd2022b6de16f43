// Why a task or a job waits, in words for people.
#pragma once

#include <string>

#include "server/scheduler/context.h"
#include "server/state/rows.h"

namespace besa::server {

// Empty unless the task is BLOCKED or PENDING.
std::string TaskPendingReason(const JobRows& rows, const TaskRow& task, const FleetSummary& fleet);

// Empty while a task of the job runs or none waits. Between two tasks a job that has started waits for an instant,
// which is not worth a message: `say_queued` is for somebody who looks at a later moment and finds it still waiting.
std::string JobPendingReason(const JobRows& rows, const FleetSummary& fleet, bool say_queued);

}  // namespace besa::server
