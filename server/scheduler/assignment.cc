#include "server/scheduler/assignment.h"

#include "server/scheduler/attempts.h"
#include "server/scheduler/plan.h"
#include "server/scheduler/stored_boundaries.h"

namespace besa::server {

v1::Assignment MakeAssignment(const JobRows& rows, const TaskRow& task, const SchedulerOptions& options) {
  const v1::TaskKind kind = task.task.kind();
  v1::Assignment assignment;
  assignment.mutable_lease()->set_id(task.lease->id);
  assignment.mutable_lease()->set_task(task.task.name());
  assignment.mutable_lease()->set_attempt(task.lease->attempt);
  assignment.set_kind(kind);
  *assignment.mutable_spec() = rows.job.job.spec();
  assignment.set_attempt_uri(AttemptUri(rows.job, task.id, task.lease->attempt));
  assignment.set_block(task.task.block());
  assignment.set_shard_bytes(options.shard_bytes);
  assignment.set_trace_id(rows.job.job.trace_id());
  if (kind == v1::TASK_KIND_PREPARE) return assignment;

  const v1::TaskResult& prepare = PrepareTask(rows.tasks).task.result();
  *assignment.mutable_inputs() = prepare.prepare().inputs();
  if (kind != v1::TASK_KIND_PASSTHROUGH) assignment.set_tokens_uri(prepare.attempt_uri());
  if (kind == v1::TASK_KIND_SWEEP) *assignment.mutable_sweep() = task.task.sweep();
  if (kind == v1::TASK_KIND_PRUNE && StoresActivations(rows)) {
    *assignment.mutable_boundary() = BoundaryBefore(rows, task.task.block());
  }
  if (kind == v1::TASK_KIND_PRUNE && task.task.block() < prepare.prepare().block_sparsity_size()) {
    assignment.set_sparsity(prepare.prepare().block_sparsity(task.task.block()));
  }
  const bool of_blocks_before = kind == v1::TASK_KIND_PRUNE && IsSequential(rows.job.job.spec());
  if (kind != v1::TASK_KIND_EVALUATE_PRUNED && !of_blocks_before) return assignment;

  for (const TaskRow& row : rows.tasks) {
    if (row.task.kind() != v1::TASK_KIND_PRUNE) continue;
    if (of_blocks_before && row.task.block() >= task.task.block()) continue;
    v1::CommittedBlock& block = *assignment.add_committed_blocks();
    block.set_block(row.task.block());
    block.set_attempt_uri(row.task.result().attempt_uri());
    *block.mutable_files() = row.task.result().files();
  }
  return assignment;
}

}  // namespace besa::server
