#include "server/scheduler/leasing.h"

#include <algorithm>
#include <iterator>
#include <optional>
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

Decision<std::vector<v1::Assignment>> OnLeaseAsked(JobRows rows, const LeaseAsked& asked, const Context& context) {
  JobEdit edit(std::move(rows), context);
  std::vector<size_t> granted;
  // Whether a lease goes into the same answer; others are handed out again when the worker asks next.
  const auto fits = [&](size_t i) {
    if (granted.empty()) return true;
    return std::ssize(granted) < asked.taker.most_blocks &&
           MayGoWith(edit.rows(), edit.tasks()[granted.back()].task, edit.tasks()[i].task);
  };
  for (size_t i = 0; i < edit.tasks().size(); ++i) {
    if (!IsUnacknowledged(edit.tasks()[i], asked)) continue;
    if (IsStopped(edit.job().job.state())) {
      EndLease(edit, i, {});
    } else if (fits(i)) {
      HandOutAgain(edit, i, asked);
      granted.push_back(i);
    }
  }
  if (granted.empty() && !asked.draining && IsRunnable(edit.job().job.state())) {
    if (const std::optional<size_t> first = PickTask(edit.rows(), asked.taker, context)) {
      granted = PickFurther(edit.rows(), *first, asked.taker, context);
      granted.insert(granted.begin(), *first);
    }
    for (const size_t i : granted) {
      StartLease(edit, i, {asked.worker, asked.incarnation, asked.request_id, asked.device});
    }
  }
  JobChanges changes = edit.Finish();
  std::vector<v1::Assignment> assignments;
  for (const size_t i : granted) assignments.push_back(MakeAssignment(edit.rows(), edit.tasks()[i], context.options));
  return {std::move(assignments), std::move(changes)};
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
