// What the steps of the scheduler come to, counted as they are stored.
#pragma once

#include <map>
#include <string>

#include "prometheus/counter.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "server/state/rows.h"
#include "telemetry/bounded_label.h"

namespace besa::server {

// What of a job's rows has to be remembered to tell what a step changed.
struct BeforeStep {
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  bool started = false;
  // Somebody was calling its completion hook.
  bool hook_called = false;
  // Attempts that had ended, by task id.
  std::map<std::string, int> ended;
  // Attempts that had begun, by task id.
  std::map<std::string, int> begun;
};

BeforeStep RememberForMetrics(const JobRows& rows);

//   besa_jobs_ended_total{state}                  "SUCCEEDED", "FAILED", "CANCELLED"
//   besa_attempts_ended_total{kind, outcome, reason}  attempts of tasks; reason "NONE" unless they failed
//   besa_lease_expiries_total                     leases whose holder was silent or stuck for a term
//   besa_completion_hook_attempts_total{outcome}  "delivered", "failed" (tried again later), "undelivered" (given up)
//   besa_job_queue_seconds                        histogram: from a job's creation or retry to its first lease
//   besa_stage_seconds_total{stage}               seconds spent in committed work, by stage, all workers
//   besa_task_seconds{kind}                       histogram: lease to commit
// Thread-safe.
class StepMetrics {
 public:
  explicit StepMetrics(prometheus::Registry& registry);

  // The step was stored.
  void Record(const BeforeStep& before, const JobChanges& changes);

 private:
  void RecordHook(const JobRow& row);
  void RecordTask(const v1::Task& task, int ended_before);

  prometheus::Family<prometheus::Counter>& jobs_ended_;
  prometheus::Family<prometheus::Counter>& attempts_;
  prometheus::Counter& expiries_;
  prometheus::Family<prometheus::Counter>& hooks_;
  prometheus::Histogram& queue_;
  prometheus::Family<prometheus::Counter>& stages_;
  prometheus::Family<prometheus::Histogram>& tasks_;
  // Workers choose them.
  BoundedLabel stage_label_{24};
};

}  // namespace besa::server
