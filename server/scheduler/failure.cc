#include "server/scheduler/failure.h"

#include <utility>

#include "server/scheduler/job_edit.h"
#include "server/scheduler/job_state.h"

namespace besa::server {
namespace {

// The answer to this very call was lost.
bool IsRepetition(const JobRow& job, const TaskRow& row, const Holder& holder) {
  if (LeaseId(job.id, row.id, holder.lease.attempt()) != holder.lease.id()) return false;
  const v1::Attempt* attempt = FindAttempt(row.task, holder.lease.attempt());
  return attempt != nullptr && attempt->worker() == holder.worker &&
         (attempt->outcome() == v1::ATTEMPT_OUTCOME_FAILED || attempt->outcome() == v1::ATTEMPT_OUTCOME_RETURNED ||
          attempt->outcome() == v1::ATTEMPT_OUTCOME_CANCELLED);
}

}  // namespace

bool IsHopeless(v1::FailureReason reason) {
  return reason == v1::FAILURE_REASON_INVALID_INPUT || reason == v1::FAILURE_REASON_BAD_NUMBERS ||
         reason == v1::FAILURE_REASON_INPUT_CHANGED;
}

Decision<Done> OnFailed(JobRows rows, absl::string_view task_id, const Holder& holder, const Failure& failure,
                        const Context& context) {
  JobEdit edit(std::move(rows), context);
  const std::optional<size_t> index = edit.FindTask(task_id);
  if (!index) return {LeaseLost(holder), {}};
  if (!Holds(edit.tasks()[*index], holder)) {
    if (IsRepetition(edit.job(), edit.tasks()[*index], holder)) return {Done{}, {}};
    return {LeaseLost(holder), {}};
  }
  const bool handed_back =
      failure.reason == v1::FAILURE_REASON_DRAINED || failure.reason == v1::FAILURE_REASON_CANCELLED;
  const AttemptEnd end{handed_back ? v1::ATTEMPT_OUTCOME_RETURNED : v1::ATTEMPT_OUTCOME_FAILED, failure.reason,
                       failure.message, failure.log_tail};
  if (IsHopeless(failure.reason) && !IsStopped(edit.job().job.state())) {
    FailTask(edit, *index, end);
  } else {
    EndLease(edit, *index, end);
  }
  return {Done{}, edit.Finish()};
}

}  // namespace besa::server
