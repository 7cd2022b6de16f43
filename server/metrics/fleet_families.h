// The metrics of jobs, tasks, blocks and workers: a pure function of what the state holds.
//
//   besa_jobs{state}                       jobs that have not ended; every state, 0 too
//   besa_tasks{kind, state}                their tasks
//   besa_workers{state}                    IDLE, BUSY, LOST, and DRAINING for IDLE or BUSY ones that get nothing new
//   besa_jobs_waiting                      jobs of which nothing runs and that say why (pending_reason)
//   besa_completion_hooks_pending          ends of jobs that their completion hooks have not been told of yet
//   besa_job_info{job_name, display_name, state} 1
//   besa_job_blocks{job_name}, besa_job_blocks_committed{job_name}
//   besa_job_sparsity_ratio{job_name}           of the committed blocks
//   besa_job_loss{job_name}                     mean reconstruction loss of the committed blocks
//   besa_job_age_seconds{job_name}, besa_job_eta_seconds{job_name} (while known)
//   besa_job_perplexity{job_name, text, model}  model "dense" or "pruned"; the first three texts
//   besa_block_progress_ratio{job_name, block}  0 waiting, 1 committed, between: share of the stage that it is in
//   besa_block_loss{job_name, block}            final, or of the last step
//   besa_jobs_without_series{series}       jobs that the budget left no room for: "job" or "block"
//
// What has a job's name in it is bounded by SeriesBudget and gone soon after the job has ended.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "besa/v1/fleet_service.pb.h"
#include "besa/v1/job.pb.h"
#include "besa/v1/task.pb.h"
#include "prometheus/metric_family.h"

namespace besa::server {

// A job as it is shown, with its tasks.
struct ShownJob {
  v1::Job job;
  std::vector<v1::Task> tasks;
};

struct SeriesBudget {
  // Jobs that have series of their own; those that were there first.
  size_t jobs = 100;
  // Blocks that have series of their own (two each): those of the jobs that were there first and have begun to prune.
  size_t blocks = 160;
};

// `jobs` oldest first. `pending_hooks`: see StateStore::CountPendingHooks.
std::vector<prometheus::MetricFamily> FleetFamilies(const std::vector<ShownJob>& jobs,
                                                    const std::vector<v1::Worker>& workers, int64_t pending_hooks,
                                                    absl::Time now, const SeriesBudget& budget);

}  // namespace besa::server
