#include "server/scheduler/leasing.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

#include "server/scheduler/assignment.h"
#include "server/scheduler/job_edit.h"
#include "server/scheduler/job_state.h"

namespace besa::server {
namespace {

bool IsUnacknowledged(const TaskRow& row, const LeaseAsked& asked) {
  if (!row.lease || row.lease->worker != asked.worker || row.lease->incarnation != asked.incarnation) return false;
  const auto& held = asked.held_leases;
  return row.lease->request_id == asked.request_id || std::find(held.begin(), held.end(), row.lease->id) == held.end();
}

void HandOutAgain(JobEdit& edit, size_t index, const LeaseAsked& asked) {
  if (edit.tasks()[index].lease->expired) RenewLease(edit, index);
  LeaseRow& lease = edit.mutable_lease(index);
  lease.request_id = asked.request_id;
  ++lease.beat;
  lease.beat_time = edit.context().now;
}

}  // namespace

Decision<std::optional<v1::Assignment>> OnLeaseAsked(JobRows rows, const LeaseAsked& asked, const Context& context) {
  JobEdit edit(std::move(rows), context);
  std::optional<size_t> granted;
  for (size_t i = 0; i < edit.tasks().size() && !granted; ++i) {
    if (!IsUnacknowledged(edit.tasks()[i], asked)) continue;
    if (IsStopped(edit.job().job.state())) {
      EndLease(edit, i, {});
    } else {
      HandOutAgain(edit, i, asked);
      granted = i;
    }
  }
  if (!granted && !asked.draining && IsRunnable(edit.job().job.state())) {
    granted = PickTask(edit.rows(), asked.taker, context);
    if (granted) StartLease(edit, *granted, {asked.worker, asked.incarnation, asked.request_id, asked.device});
  }
  JobChanges changes = edit.Finish();
  std::optional<v1::Assignment> assignment;
  if (granted) assignment = MakeAssignment(edit.rows(), edit.tasks()[*granted], context.options);
  return {std::move(assignment), std::move(changes)};
}

Decision<Done> OnWorkerRestarted(JobRows rows, absl::string_view worker, absl::string_view incarnation,
                                 const Context& context) {
  JobEdit edit(std::move(rows), context);
  for (size_t i = 0; i < edit.tasks().size(); ++i) {
    const auto& lease = edit.tasks()[i].lease;
    if (!lease || lease->worker != worker || lease->incarnation == incarnation) continue;
    if (lease->expired) {
      edit.AddGarbage(AttemptUri(edit.job(), edit.tasks()[i].id, lease->attempt), 2 * context.options.lease_term);
      edit.mutable_task(i).lease.reset();
    } else {
      EndLease(edit, i,
               {v1::ATTEMPT_OUTCOME_EXPIRED, v1::FAILURE_REASON_CRASHED,
                absl::StrCat("the process of ", worker, " ended and was started anew")});
    }
  }
  return {Done{}, edit.Finish()};
}

}  // namespace besa::server
