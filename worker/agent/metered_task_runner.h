// A task runner that tells Prometheus what another one does.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "besa/v1/fleet_service.pb.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "storage/base/clock.h"
#include "telemetry/bounded_label.h"
#include "worker/agent/task_runner.h"

namespace besa::worker {

//   besa_worker_device_info{device, model}          1
//   besa_worker_busy                                1 while a task runs; not while its files are written
//   besa_worker_busy_seconds_total                  counts on while a task runs, likewise
//   besa_worker_tasks_total{kind, code}             tasks run, by how that ended
//   besa_worker_task_seconds{kind}                  histogram, the writing of files included
//   besa_worker_stage_seconds_total{stage}          of tasks that ended well
//   besa_worker_steps_total{stage}, besa_worker_tokens_total{kind}
//                                                   tokens: calibration tokens trained on, or predicted in evaluations
//   besa_worker_block, besa_worker_loss, besa_worker_sparsity_ratio
//                                                   of the step just done; gone while no block is pruned
// Called as the runner; the metrics may be read from any thread.
class MeteredTaskRunner final : public TaskRunner {
 public:
  // All must outlive it.
  MeteredTaskRunner(TaskRunner& runner, const v1::Device& device, prometheus::Registry& registry, const Clock& clock);
  ~MeteredTaskRunner() override;

  absl::StatusOr<TaskEnding> Compute(const v1::Assignment& assignment, const TaskObserver& observer) override;
  int most_blocks() const override { return runner_.most_blocks(); }
  // The gauges show the first of the blocks.
  void ComputeSeveral(const std::vector<BlockToPrune>& blocks, const EndingTaker& take) override;
  std::optional<v1::Cursor> cursor() const override { return runner_.cursor(); }

 private:
  struct Families;
  class Running;

  // Counts how it ends.
  absl::StatusOr<TaskEnding> Counted(const std::string& kind, absl::Duration began, absl::StatusOr<TaskEnding> ending);

  TaskRunner& runner_;
  const Clock& clock_;
  const std::unique_ptr<Families> families_;
};

}  // namespace besa::worker
