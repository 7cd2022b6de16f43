#include "server/scheduler/commit.h"

#include <string>
#include <utility>

#include "server/scheduler/check_result.h"
#include "server/scheduler/job_edit.h"
#include "server/scheduler/job_state.h"
#include "server/scheduler/plan.h"

namespace besa::server {
namespace {

// The result itself, without what the coordinator adds and how long it took.
std::string Essence(v1::TaskResult result) {
  result.clear_attempt();
  result.clear_attempt_uri();
  result.clear_stages();
  return result.SerializeAsString();
}

bool IsRepetition(const JobRow& job, const TaskRow& row, const Holder& holder, const v1::TaskResult& result) {
  return row.task.state() == v1::TASK_STATE_COMMITTED && row.task.result().attempt() == holder.lease.attempt() &&
         LeaseId(job.id, row.id, holder.lease.attempt()) == holder.lease.id() &&
         Essence(row.task.result()) == Essence(result);
}

// From now on it is known how much memory the other tasks need.
void SetMemoryNeeds(JobEdit& edit, const v1::PrepareResult& prepare) {
  edit.mutable_job().job.mutable_model()->set_block_memory_bytes(prepare.block_memory_bytes());
  for (size_t i = 0; i < edit.tasks().size(); ++i) {
    const v1::TaskKind kind = edit.tasks()[i].task.kind();
    if (kind == v1::TASK_KIND_PRUNE || kind == v1::TASK_KIND_SWEEP) {
      edit.mutable_task(i).task.set_memory_bytes(prepare.block_memory_bytes());
    } else if (kind == v1::TASK_KIND_EVALUATE_DENSE) {
      edit.mutable_task(i).task.set_memory_bytes(prepare.evaluation_memory_bytes());
    } else if (kind == v1::TASK_KIND_EVALUATE_PRUNED) {
      edit.mutable_task(i).task.set_memory_bytes(prepare.comparison_memory_bytes());
    }
  }
}

// Nobody needs stored activations any more when all blocks are committed.
void DropBoundaries(JobEdit& edit) {
  for (const TaskRow& row : edit.tasks()) {
    if (row.task.kind() == v1::TASK_KIND_PRUNE && row.task.state() != v1::TASK_STATE_COMMITTED) return;
  }
  for (const TaskRow& row : edit.tasks()) {
    if (row.task.kind() == v1::TASK_KIND_SWEEP) edit.AddGarbage(row.task.result().attempt_uri(), absl::ZeroDuration());
  }
}

void LeaseNextBlock(JobEdit& edit, size_t committed, const Holder& holder) {
  if (!IsSequential(edit.job().job.spec()) || edit.tasks()[committed].task.kind() != v1::TASK_KIND_PRUNE) return;
  const std::optional<size_t> next = edit.FindTask(PruneTaskId(edit.tasks()[committed].task.block() + 1));
  if (!next || edit.tasks()[*next].task.state() != v1::TASK_STATE_BLOCKED) return;
  if (UnmetDependencies(edit.rows(), edit.tasks()[*next]) > 0) return;
  const v1::Attempt* const done = FindAttempt(edit.tasks()[committed].task, holder.lease.attempt());
  StartLease(edit, *next, {holder.worker, holder.incarnation, /*request_id=*/"", done->device()});
}

}  // namespace

Decision<Done> OnCommit(JobRows rows, absl::string_view task_id, const Holder& holder, const v1::TaskResult& result,
                        bool leaving, const Context& context, const std::vector<std::string>& log_tail) {
  JobEdit edit(std::move(rows), context);
  const std::optional<size_t> index = edit.FindTask(task_id);
  if (!index) return {LeaseLost(holder), {}};
  if (IsRepetition(edit.job(), edit.tasks()[*index], holder, result)) return {Done{}, {}};
  if (!Holds(edit.tasks()[*index], holder)) return {LeaseLost(holder), {}};
  if (IsStopped(edit.job().job.state())) {
    EndLease(edit, *index, {});
    return {LeaseLost(holder), edit.Finish()};
  }
  absl::Status fits = CheckResult(edit.tasks()[*index].task, edit.job().job, result);
  if (!fits.ok()) return {std::move(fits), {}};

  TaskRow& row = edit.mutable_task(*index);
  EndAttempt(row.task, row.lease->attempt, {.outcome = v1::ATTEMPT_OUTCOME_COMMITTED, .log_tail = log_tail},
             context.now);
  row.task.set_state(v1::TASK_STATE_COMMITTED);
  *row.task.mutable_result() = result;
  row.task.mutable_result()->set_attempt(row.lease->attempt);
  row.task.mutable_result()->set_attempt_uri(AttemptUri(edit.job(), row.id, row.lease->attempt));
  row.lease.reset();
  if (row.task.kind() == v1::TASK_KIND_PREPARE) SetMemoryNeeds(edit, result.prepare());
  if (row.task.kind() == v1::TASK_KIND_PRUNE) DropBoundaries(edit);
  if (!leaving) LeaseNextBlock(edit, *index, holder);
  return {Done{}, edit.Finish()};
}

}  // namespace besa::server
