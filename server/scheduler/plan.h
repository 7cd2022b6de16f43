// The tasks of a job and what they wait for.
//
//   prepare --+--> [sweep-00000 ...] --> prune-00000 ... prune-<L-1> --+--> evaluate-pruned
//             +--> passthrough ----------------------------------------+
//             +--> evaluate-dense
//
// The evaluations are planned only if the job names a text to evaluate on. In SCHEDULE_SEQUENTIAL every block waits for
// those before it, too. Sweeps are
// planned for jobs that store activations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "besa/v1/job.pb.h"

#include "server/state/rows.h"

namespace besa::server {

// The plan of a new job, in the order prepare, sweeps, blocks, passthrough, evaluations. All but prepare are BLOCKED.
std::vector<TaskRow> PlanTasks(absl::string_view job_id, const v1::JobSpec& spec, const v1::ModelSummary& model,
                               const std::vector<v1::SweepShare>& sweeps);

// How many tasks that `task` waits for are not committed yet.
int32_t UnmetDependencies(const JobRows& rows, const TaskRow& task);

// Whether blocks are pruned one after the other.
bool IsSequential(const v1::JobSpec& spec);

// The prepare task of a plan.
const TaskRow& PrepareTask(const std::vector<TaskRow>& tasks);

// "prune-00012".
std::string PruneTaskId(int32_t block);

}  // namespace besa::server
