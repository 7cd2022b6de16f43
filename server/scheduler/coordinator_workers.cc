// Workers: register, lease, heartbeat, commit, fail. What people ask of them: coordinator_fleet.cc.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/time.h"
#include "server/scheduler/attempts.h"
#include "server/scheduler/commit.h"
#include "server/scheduler/coordinator.h"
#include "server/scheduler/coordinator_run.h"
#include "server/scheduler/failure.h"
#include "server/scheduler/heartbeat.h"
#include "server/scheduler/job_order.h"
#include "server/scheduler/leasing.h"
#include "server/state/names.h"
#include "storage/base/error_info.h"

namespace besa::server {
namespace {

absl::Status CheckCaller(absl::string_view worker, absl::string_view incarnation) {
  RETURN_IF_ERROR(CheckWorkerName("worker", worker));
  if (incarnation.empty()) return FieldError("incarnation", incarnation, "an id that is fresh for each start");
  return absl::OkStatus();
}

// A job that was deleted has no leases any more.
absl::Status LostIfGone(absl::Status status, const Holder& holder) {
  return absl::IsNotFound(status) ? LeaseLost(holder) : status;
}

}  // namespace

absl::StatusOr<v1::RegisterWorkerResponse> Coordinator::RegisterWorker(const v1::RegisterWorkerRequest& request) {
  const v1::Worker& worker = request.worker();
  RETURN_IF_ERROR(CheckWorkerName("worker.name", worker.name()));
  if (worker.incarnation().empty()) {
    return FieldError("worker.incarnation", "", "an id that is fresh for each start");
  }
  if (worker.device().memory_bytes() <= 0) {
    return FieldError("worker.device.memory_bytes", absl::StrCat(worker.device().memory_bytes()), "1 or more");
  }
  WorkerRow row;
  row.worker.set_name(worker.name());
  row.worker.set_incarnation(worker.incarnation());
  *row.worker.mutable_device() = worker.device();
  row.worker.set_version(worker.version());
  *row.worker.mutable_register_time() = ToProto(clock_.Now());
  *row.worker.mutable_last_seen_time() = row.worker.register_time();
  RETURN_IF_ERROR(store_.PutWorker(row));
  ASSIGN_OR_RETURN(const std::vector<LeaseRef> leases, store_.LeasesOfWorker(worker.name()));
  RETURN_IF_ERROR(EndLeasesOfOtherIncarnations(worker.name(), worker.incarnation(), leases));

  v1::RegisterWorkerResponse response;
  response.set_protocol_version(v1::PROTOCOL_VERSION_1);
  *response.mutable_heartbeat_interval() = ToProto(options_.heartbeat_interval);
  *response.mutable_lease_term() = ToProto(options_.lease_term);
  return response;
}

absl::Status Coordinator::EndLeasesOfOtherIncarnations(absl::string_view worker, absl::string_view incarnation,
                                                       const std::vector<LeaseRef>& leases) {
  std::set<std::string> jobs;
  for (const LeaseRef& lease : leases) {
    if (lease.incarnation != incarnation) jobs.insert(lease.job_id);
  }
  for (const std::string& job_id : jobs) {
    const absl::Status status = Run<Done>(job_id, [&](JobRows rows, const Context& context) {
                                  return OnWorkerRestarted(std::move(rows), worker, incarnation, context);
                                }).status();
    if (!status.ok() && !absl::IsNotFound(status)) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<WorkerRow> Coordinator::FindWorker(absl::string_view worker, absl::string_view incarnation) {
  absl::StatusOr<WorkerRow> row = store_.ReadWorker(worker);
  if (absl::IsNotFound(row.status())) {
    return ErrorWithInfo(absl::StatusCode::kFailedPrecondition, absl::StrCat(worker, " is not registered"),
                         {"WORKER_UNKNOWN", {{"worker", std::string(worker)}}});
  }
  if (row.ok() && row->worker.incarnation() != incarnation) {
    return ErrorWithInfo(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat("another process has registered as ", worker, " since: every worker needs a name of its own"),
        {"WORKER_REPLACED", {{"worker", std::string(worker)}}});
  }
  return row;
}

absl::Status Coordinator::Touch(absl::string_view worker, absl::string_view incarnation) {
  const absl::Duration now = clock_.Steady();
  {
    const std::lock_guard<std::mutex> guard(touched_mutex_);
    const auto [last, fresh] = touched_.try_emplace(absl::StrCat(worker, " ", incarnation), now);
    if (!fresh && now - last->second < options_.lease_term / 6) return absl::OkStatus();
    last->second = now;
  }
  return store_.TouchWorker(worker, incarnation, clock_.Now());
}

absl::StatusOr<v1::LeaseTaskResponse> Coordinator::Lease(const v1::LeaseTaskRequest& request) {
  RETURN_IF_ERROR(CheckCaller(request.worker(), request.incarnation()));
  if (request.request_id().empty()) return FieldError("request_id", "", "an id that is fresh for each wish for work");
  ASSIGN_OR_RETURN(const WorkerRow worker, FindWorker(request.worker(), request.incarnation()));
  RETURN_IF_ERROR(Touch(request.worker(), request.incarnation()));
  ASSIGN_OR_RETURN(const std::vector<LeaseRef> leases, store_.LeasesOfWorker(request.worker()));
  // Again here, in case the coordinator died between the registration and this.
  RETURN_IF_ERROR(EndLeasesOfOtherIncarnations(request.worker(), request.incarnation(), leases));

  const auto& held = request.held_leases();
  std::vector<std::string> unacknowledged;
  for (const LeaseRef& lease : leases) {
    if (lease.incarnation != request.incarnation()) continue;
    const bool known = std::find(held.begin(), held.end(), lease.lease_id) != held.end();
    if (!known || lease.request_id == request.request_id()) unacknowledged.push_back(lease.job_id);
  }
  ASSIGN_OR_RETURN(v1::LeaseTaskResponse response, LeaseFrom(unacknowledged, request, worker.worker));
  if (response.has_assignment() || worker.worker.draining()) return response;
  ASSIGN_OR_RETURN(std::vector<WorkRef> work, store_.JobsWithWork(worker.worker.device().memory_bytes()));
  const auto cursor_job = ParseJobName("cursor.job", request.cursor().job());
  return LeaseFrom(OrderJobs(std::move(work), cursor_job.ok() ? *cursor_job : ""), request, worker.worker);
}

absl::StatusOr<v1::LeaseTaskResponse> Coordinator::LeaseFrom(const std::vector<std::string>& job_ids,
                                                             const v1::LeaseTaskRequest& request,
                                                             const v1::Worker& worker) {
  LeaseAsked asked{request.worker(),
                   request.incarnation(),
                   request.request_id(),
                   {request.held_leases().begin(), request.held_leases().end()},
                   {worker.device().memory_bytes(), std::nullopt, request.worker(), std::max(1, request.most_blocks())},
                   worker.device().id(),
                   worker.draining()};
  v1::LeaseTaskResponse response;
  for (const std::string& job_id : job_ids) {
    asked.taker.cursor.reset();
    if (request.cursor().job() == JobName(job_id)) asked.taker.cursor = request.cursor().block();
    absl::StatusOr<std::vector<v1::Assignment>> assignments = Run<std::vector<v1::Assignment>>(
        job_id, [&](JobRows rows, const Context& context) { return OnLeaseAsked(std::move(rows), asked, context); });
    if (absl::IsNotFound(assignments.status())) continue;
    RETURN_IF_ERROR(assignments.status());
    if (assignments->empty()) continue;
    *response.mutable_assignment() = std::move(assignments->front());
    for (auto further = assignments->begin() + 1; further != assignments->end(); ++further) {
      *response.add_further() = *std::move(further);
    }
    break;
  }
  return response;
}

absl::StatusOr<v1::HeartbeatResponse> Coordinator::Heartbeat(const v1::HeartbeatRequest& request) {
  RETURN_IF_ERROR(CheckCaller(request.worker(), request.incarnation()));
  ASSIGN_OR_RETURN(const TaskName name, ParseTaskName("lease.task", request.lease().task()));
  RETURN_IF_ERROR(Touch(request.worker(), request.incarnation()));
  const Holder holder{request.worker(), request.incarnation(), request.lease()};
  const Context context{clock_.Now(), {}, options_};
  absl::StatusOr<HeartbeatReply> reply = HeartbeatReply{};
  bool stored = false;
  RETURN_IF_ERROR(LostIfGone(store_.UpdateTask(name.job_id, name.task_id,
                                               [&](const JobRow& job, const TaskRow& task) {
                                                 auto decision =
                                                     OnHeartbeat(job, task, holder, request.progress(), context);
                                                 reply = decision.reply;
                                                 stored = !decision.changes.empty();
                                                 return decision.changes;
                                               }),
                             holder));
  if (stored) notifier_.JobChanged(name.job_id);
  RETURN_IF_ERROR(reply.status());
  if (reply->renew) {
    RETURN_IF_ERROR(LostIfGone(Run<Done>(name.job_id,
                                         [&](JobRows rows, const Context& now) {
                                           return OnRenewed(std::move(rows), name.task_id, holder, request.progress(),
                                                            now);
                                         })
                                   .status(),
                               holder));
  }
  v1::HeartbeatResponse response;
  response.set_cancel(reply->cancel);
  return response;
}

absl::Status Coordinator::Commit(const v1::CommitTaskRequest& request) {
  RETURN_IF_ERROR(CheckCaller(request.worker(), request.incarnation()));
  ASSIGN_OR_RETURN(const TaskName name, ParseTaskName("lease.task", request.lease().task()));
  const Holder holder{request.worker(), request.incarnation(), request.lease()};
  // Whoever drains is not handed the next block with the commit.
  const absl::StatusOr<WorkerRow> worker = store_.ReadWorker(request.worker());
  const bool leaving = request.leaving() || (worker.ok() && worker->worker.draining());
  return LostIfGone(Run<Done>(name.job_id,
                              [&](JobRows rows, const Context& context) {
                                return OnCommit(std::move(rows), name.task_id, holder, request.result(), leaving,
                                                context, {request.log_tail().begin(), request.log_tail().end()});
                              })
                        .status(),
                    holder);
}

absl::Status Coordinator::Fail(const v1::FailTaskRequest& request) {
  RETURN_IF_ERROR(CheckCaller(request.worker(), request.incarnation()));
  ASSIGN_OR_RETURN(const TaskName name, ParseTaskName("lease.task", request.lease().task()));
  const Holder holder{request.worker(), request.incarnation(), request.lease()};
  const Failure failure{request.reason(), request.message(), {request.log_tail().begin(), request.log_tail().end()}};
  return LostIfGone(Run<Done>(name.job_id,
                              [&](JobRows rows, const Context& context) {
                                return OnFailed(std::move(rows), name.task_id, holder, failure, context);
                              })
                        .status(),
                    holder);
}

}  // namespace besa::server
