#include "server/scheduler/plan.h"

#include <algorithm>

#include "absl/strings/str_format.h"

#include "server/state/names.h"

namespace besa::server {
namespace {

bool DependsOn(const v1::Task& task, const v1::Task& on, bool sequential) {
  const v1::TaskKind other = on.kind();
  switch (task.kind()) {
    case v1::TASK_KIND_PRUNE:
      if (sequential && other == v1::TASK_KIND_PRUNE) return on.block() < task.block();
      return other == v1::TASK_KIND_PREPARE || other == v1::TASK_KIND_SWEEP;
    case v1::TASK_KIND_SWEEP:
    case v1::TASK_KIND_PASSTHROUGH:
    case v1::TASK_KIND_EVALUATE_DENSE:
      return other == v1::TASK_KIND_PREPARE;
    case v1::TASK_KIND_EVALUATE_PRUNED:
      return other == v1::TASK_KIND_PREPARE || other == v1::TASK_KIND_PRUNE || other == v1::TASK_KIND_PASSTHROUGH;
    default:
      return false;
  }
}

}  // namespace

std::string PruneTaskId(int32_t block) { return absl::StrFormat("prune-%05d", block); }

std::vector<TaskRow> PlanTasks(absl::string_view job_id, const v1::JobSpec& spec, const v1::ModelSummary& model,
                               const std::vector<v1::SweepShare>& sweeps) {
  std::vector<TaskRow> tasks;
  const auto add = [&](std::string id, v1::TaskKind kind, int32_t block = 0) {
    TaskRow row;
    row.position = static_cast<int32_t>(tasks.size());
    row.task.set_name(MakeTaskName(job_id, id));
    row.task.set_kind(kind);
    row.task.set_block(block);
    row.task.set_state(kind == v1::TASK_KIND_PREPARE ? v1::TASK_STATE_PENDING : v1::TASK_STATE_BLOCKED);
    row.id = std::move(id);
    tasks.push_back(std::move(row));
  };
  add("prepare", v1::TASK_KIND_PREPARE);
  for (size_t share = 0; share < sweeps.size(); ++share) {
    add(absl::StrFormat("sweep-%05d", share), v1::TASK_KIND_SWEEP);
    *tasks.back().task.mutable_sweep() = sweeps[share];
  }
  for (int32_t block = 0; block < model.blocks(); ++block) add(PruneTaskId(block), v1::TASK_KIND_PRUNE, block);
  add("passthrough", v1::TASK_KIND_PASSTHROUGH);
  if (!spec.evaluations().empty()) {
    add("evaluate-dense", v1::TASK_KIND_EVALUATE_DENSE);
    add("evaluate-pruned", v1::TASK_KIND_EVALUATE_PRUNED);
  }
  return tasks;
}

bool IsSequential(const v1::JobSpec& spec) { return spec.method().schedule() == v1::SCHEDULE_SEQUENTIAL; }

int32_t UnmetDependencies(const JobRows& rows, const TaskRow& task) {
  const bool sequential = IsSequential(rows.job.job.spec());
  return static_cast<int32_t>(std::count_if(rows.tasks.begin(), rows.tasks.end(), [&](const TaskRow& other) {
    return DependsOn(task.task, other.task, sequential) && other.task.state() != v1::TASK_STATE_COMMITTED;
  }));
}

const TaskRow& PrepareTask(const std::vector<TaskRow>& tasks) { return tasks.front(); }

}  // namespace besa::server
