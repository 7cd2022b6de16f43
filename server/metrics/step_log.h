// A line of the log for whatever a step of the scheduler came to, with job, task, block, attempt, worker and trace.
#pragma once

#include "server/metrics/step_metrics.h"
#include "server/state/rows.h"

namespace besa::server {

// The step was stored: attempts that began or ended, and the job's new state if it has one.
void LogStep(const BeforeStep& before, const JobChanges& changes);

}  // namespace besa::server
