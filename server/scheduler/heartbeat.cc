#include "server/scheduler/heartbeat.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "server/scheduler/job_edit.h"
#include "server/scheduler/job_state.h"

namespace besa::server {

Decision<HeartbeatReply> OnHeartbeat(const JobRow& job, const TaskRow& task, const Holder& holder,
                                     const v1::TaskProgress& progress, const Context& context) {
  if (!Holds(task, holder)) return {LeaseLost(holder), {}};
  if (IsStopped(job.job.state())) return {HeartbeatReply{.cancel = true}, {}};
  if (task.lease->expired) return {HeartbeatReply{.renew = true}, {}};

  const absl::Time last = task.lease->beat_time;
  // A wall clock that was set back must not silence the beats until it has caught up.
  if (context.now >= last && context.now - last < context.options.progress_interval) return {HeartbeatReply{}, {}};
  LeaseRow lease = *task.lease;
  ++lease.beat;
  lease.beat_time = context.now;
  if (HasMoved(lease.progress, progress)) ++lease.moves;
  lease.progress = progress;
  JobChanges changes;
  changes.beats.push_back(std::move(lease));
  return {HeartbeatReply{}, std::move(changes)};
}

Decision<Done> OnRenewed(JobRows rows, absl::string_view task_id, const Holder& holder,
                         const v1::TaskProgress& progress, const Context& context) {
  JobEdit edit(std::move(rows), context);
  const std::optional<size_t> index = edit.FindTask(task_id);
  if (!index || !Holds(edit.tasks()[*index], holder)) return {LeaseLost(holder), {}};
  if (!edit.tasks()[*index].lease->expired) return {Done{}, {}};
  RenewLease(edit, *index);
  LeaseRow& lease = edit.mutable_lease(*index);
  if (HasMoved(lease.progress, progress)) ++lease.moves;
  lease.progress = progress;
  return {Done{}, edit.Finish()};
}

bool HasMoved(const v1::TaskProgress& before, const v1::TaskProgress& now) {
  return before.stage() != now.stage() || before.step() != now.step();
}

Decision<Done> OnLeaseStuck(JobRows rows, absl::string_view task_id, absl::string_view lease_id, int64_t moves,
                            const Context& context) {
  JobEdit edit(std::move(rows), context);
  const std::optional<size_t> index = edit.FindTask(task_id);
  if (!index) return {Done{}, {}};
  const auto& lease = edit.tasks()[*index].lease;
  if (!lease || lease->id != lease_id || lease->expired || lease->moves != moves) return {Done{}, {}};
  EndLease(
      edit, *index,
      {v1::ATTEMPT_OUTCOME_EXPIRED, v1::FAILURE_REASON_NO_PROGRESS,
       absl::StrCat(lease->worker, " reported no progress for ", absl::FormatDuration(context.options.progress_term),
                    ", the last at stage ", lease->progress.stage().empty() ? "none" : lease->progress.stage(),
                    ", step ", lease->progress.step())});
  return {Done{}, edit.Finish()};
}

Decision<Done> OnLeaseExpired(JobRows rows, absl::string_view task_id, absl::string_view lease_id, int64_t beat,
                              const Context& context) {
  JobEdit edit(std::move(rows), context);
  const std::optional<size_t> index = edit.FindTask(task_id);
  if (!index) return {Done{}, {}};
  const auto& lease = edit.tasks()[*index].lease;
  if (!lease || lease->id != lease_id || lease->expired || lease->beat != beat) return {Done{}, {}};
  ExpireLease(
      edit, *index,
      {v1::ATTEMPT_OUTCOME_EXPIRED, v1::FAILURE_REASON_LOST,
       absl::StrCat(lease->worker, " sent no heartbeat for ", absl::FormatDuration(context.options.lease_term))});
  return {Done{}, edit.Finish()};
}

}  // namespace besa::server
