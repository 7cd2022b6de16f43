// The fleet: the list of workers, draining them, and the audit.
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "proto/time.h"
#include "server/scheduler/coordinator.h"
#include "server/state/names.h"
#include "server/state/page_token.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

v1::WorkerState StateOf(const WorkerRow& row, int tasks) {
  if (row.lost) return v1::WORKER_STATE_LOST;
  return tasks == 0 ? v1::WORKER_STATE_IDLE : v1::WORKER_STATE_BUSY;
}

}  // namespace

absl::StatusOr<v1::ListWorkersResponse> Coordinator::ListWorkers(const v1::ListWorkersRequest& request) {
  ASSIGN_OR_RETURN(const int32_t page_size, CheckPageSize(request.page_size(), 200, 1000));
  ASSIGN_OR_RETURN(const std::string after, ParsePageToken("workers", request.page_token()));
  ASSIGN_OR_RETURN(const std::vector<WorkerRow> rows, store_.ListWorkers(after, page_size + 1));
  ASSIGN_OR_RETURN(const std::vector<LeaseRef> leases, store_.LiveLeases());
  std::map<std::string, std::vector<std::string>> tasks;
  for (const LeaseRef& lease : leases) tasks[lease.worker].push_back(MakeTaskName(lease.job_id, lease.task_id));

  v1::ListWorkersResponse response;
  for (const WorkerRow& row : rows) {
    if (response.workers_size() == page_size) {
      response.set_next_page_token(MakePageToken("workers", response.workers(page_size - 1).name()));
      break;
    }
    v1::Worker& worker = *response.add_workers();
    worker = row.worker;
    for (const std::string& task : tasks[worker.name()]) worker.add_tasks(task);
    worker.set_state(StateOf(row, worker.tasks_size()));
  }
  return response;
}

absl::StatusOr<v1::Worker> Coordinator::SetDraining(absl::string_view name, bool draining, const Caller& caller) {
  RETURN_IF_ERROR(CheckWorkerName("name", name));
  ASSIGN_OR_RETURN(
      const WorkerRow row,
      store_.SetDraining(name, draining, Audit(draining ? "drain" : "undrain", std::string(name), "", caller)));
  ASSIGN_OR_RETURN(const std::vector<LeaseRef> leases, store_.LeasesOfWorker(name));
  // It may be waiting for work already.
  if (!draining) notifier_.WorkAppeared();
  v1::Worker worker = row.worker;
  for (const LeaseRef& lease : leases) {
    if (!lease.expired) worker.add_tasks(MakeTaskName(lease.job_id, lease.task_id));
  }
  worker.set_state(StateOf(row, worker.tasks_size()));
  return worker;
}

absl::StatusOr<v1::ListAuditEntriesResponse> Coordinator::ListAuditEntries(const v1::ListAuditEntriesRequest& request) {
  ASSIGN_OR_RETURN(const int32_t page_size, CheckPageSize(request.page_size(), 50, 1000));
  const std::string scope = absl::StrCat("audit ", request.resource());
  ASSIGN_OR_RETURN(const std::string position, ParsePageToken(scope, request.page_token()));
  int64_t before = 0;
  if (!position.empty() && !absl::SimpleAtoi(position, &before)) return absl::InternalError("malformed page position");
  ASSIGN_OR_RETURN(const std::vector<AuditRef> rows, store_.ListAudit(request.resource(), before, page_size + 1));
  v1::ListAuditEntriesResponse response;
  for (const AuditRef& entry : rows) {
    if (response.entries_size() == page_size) {
      const int64_t last = response.entries(page_size - 1).number();
      response.set_next_page_token(MakePageToken(scope, absl::StrCat(last)));
      break;
    }
    v1::AuditEntry& shown = *response.add_entries();
    shown.set_number(entry.number);
    *shown.mutable_time() = ToProto(entry.row.time);
    shown.set_action(entry.row.action);
    shown.set_resource(entry.row.resource);
    shown.set_caller(entry.row.caller);
    shown.set_detail(entry.row.detail);
  }
  return response;
}

}  // namespace besa::server
