#include "server/metrics/metered_state_store.h"

#include "server/metrics/step_log.h"
#include "telemetry/code_label.h"

namespace besa::server {
namespace {

// Whether the database is at fault, and not the question.
bool IsTrouble(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kInvalidArgument:
      return false;
    default:
      return true;
  }
}

const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

}  // namespace

MeteredStateStore::MeteredStateStore(StateStore& store, prometheus::Registry& registry, const Clock& clock)
    : store_(store),
      clock_(clock),
      seconds_(prometheus::BuildHistogram()
                   .Name("besa_state_operation_seconds")
                   .Help("Time of operations on the state database.")
                   .Register(registry)),
      errors_(prometheus::BuildCounter()
                  .Name("besa_state_operation_errors_total")
                  .Help("Operations on the state database that failed for its own reasons.")
                  .Register(registry)),
      steps_(registry) {}

template <class Operation>
auto MeteredStateStore::Timed(const char* name, const Operation& operation) -> decltype(operation()) {
  const absl::Duration began = clock_.Steady();
  auto result = operation();
  Record(name, began, StatusOf(result));
  return result;
}

void MeteredStateStore::Record(const char* name, absl::Duration began, const absl::Status& status) {
  seconds_.Add({{"operation", name}}, prometheus::Histogram::BucketBoundaries{.001, .01, .1, 1, 10})
      .Observe(absl::ToDoubleSeconds(clock_.Steady() - began));
  if (IsTrouble(status)) errors_.Add({{"operation", name}, {"code", CodeLabel(status.code())}}).Increment();
}

absl::Status MeteredStateStore::UpdateJob(absl::string_view job_id, const JobStep& step) {
  // Of the last time that the step was called: that is the one that was stored.
  BeforeStep before;
  JobChanges changes;
  absl::Status status = Timed("update_job", [&] {
    return store_.UpdateJob(job_id, [&](JobRows rows) {
      before = RememberForMetrics(rows);
      changes = step(std::move(rows));
      return changes;
    });
  });
  if (status.ok()) {
    steps_.Record(before, changes);
    LogStep(before, changes);
  }
  return status;
}

// Heartbeats: they end nothing.
absl::Status MeteredStateStore::UpdateTask(absl::string_view job_id, absl::string_view task_id, const TaskStep& step) {
  return Timed("update_task", [&] { return store_.UpdateTask(job_id, task_id, step); });
}

absl::StatusOr<JobRows> MeteredStateStore::CreateJob(const CreateJobRow& create) {
  return Timed("create_job", [&] { return store_.CreateJob(create); });
}

absl::StatusOr<std::optional<v1::Job>> MeteredStateStore::FindCreated(absl::string_view request_id,
                                                                      absl::string_view request_hash) {
  return Timed("find_created", [&] { return store_.FindCreated(request_id, request_hash); });
}

absl::StatusOr<JobRows> MeteredStateStore::ReadJob(absl::string_view job_id) {
  return Timed("read_job", [&] { return store_.ReadJob(job_id); });
}

absl::StatusOr<JobPage> MeteredStateStore::ListJobs(int32_t limit, int64_t from, const JobFilter& filter) {
  return Timed("list_jobs", [&] { return store_.ListJobs(limit, from, filter); });
}

absl::StatusOr<EventPage> MeteredStateStore::ReadEvents(absl::string_view job_id, int64_t after_version,
                                                        int32_t limit) {
  return Timed("read_events", [&] { return store_.ReadEvents(job_id, after_version, limit); });
}

absl::StatusOr<std::vector<ProgressRow>> MeteredStateStore::ReadProgress(absl::string_view job_id,
                                                                         int64_t after_serial) {
  return Timed("read_progress", [&] { return store_.ReadProgress(job_id, after_serial); });
}

absl::StatusOr<std::vector<WorkRef>> MeteredStateStore::JobsWithWork(int64_t memory_bytes) {
  return Timed("jobs_with_work", [&] { return store_.JobsWithWork(memory_bytes); });
}

absl::StatusOr<WorkerRow> MeteredStateStore::SetDraining(absl::string_view name, bool draining, const AuditRow& audit) {
  return Timed("set_draining", [&] { return store_.SetDraining(name, draining, audit); });
}

absl::StatusOr<std::vector<std::string>> MeteredStateStore::OverdueJobs(absl::Time now) {
  return Timed("overdue_jobs", [&] { return store_.OverdueJobs(now); });
}

absl::StatusOr<std::vector<AuditRef>> MeteredStateStore::ListAudit(absl::string_view resource, int64_t before,
                                                                   int32_t limit) {
  return Timed("list_audit", [&] { return store_.ListAudit(resource, before, limit); });
}

absl::StatusOr<std::vector<std::string>> MeteredStateStore::JobsToPublish() {
  return Timed("jobs_to_publish", [&] { return store_.JobsToPublish(); });
}

absl::StatusOr<std::vector<std::string>> MeteredStateStore::JobsWithDueHook(absl::Time now, int32_t limit) {
  return Timed("jobs_with_due_hook", [&] { return store_.JobsWithDueHook(now, limit); });
}

absl::StatusOr<int64_t> MeteredStateStore::CountPendingHooks() {
  return Timed("count_pending_hooks", [&] { return store_.CountPendingHooks(); });
}

absl::StatusOr<std::vector<std::string>> MeteredStateStore::IdleJobs() {
  return Timed("idle_jobs", [&] { return store_.IdleJobs(); });
}

absl::StatusOr<std::vector<LeaseRef>> MeteredStateStore::LeasesOfWorker(absl::string_view worker) {
  return Timed("leases_of_worker", [&] { return store_.LeasesOfWorker(worker); });
}

absl::Status MeteredStateStore::PutWorker(const WorkerRow& worker) {
  return Timed("put_worker", [&] { return store_.PutWorker(worker); });
}

absl::StatusOr<WorkerRow> MeteredStateStore::ReadWorker(absl::string_view name) {
  return Timed("read_worker", [&] { return store_.ReadWorker(name); });
}

absl::Status MeteredStateStore::TouchWorker(absl::string_view name, absl::string_view incarnation, absl::Time now) {
  return Timed("touch_worker", [&] { return store_.TouchWorker(name, incarnation, now); });
}

absl::StatusOr<bool> MeteredStateStore::MarkWorkerLost(absl::string_view name, absl::string_view incarnation,
                                                       int64_t seen) {
  return Timed("mark_worker_lost", [&] { return store_.MarkWorkerLost(name, incarnation, seen); });
}

absl::StatusOr<std::vector<WorkerRow>> MeteredStateStore::ListWorkers(absl::string_view after_name, int32_t limit) {
  return Timed("list_workers", [&] { return store_.ListWorkers(after_name, limit); });
}

absl::StatusOr<FleetSummary> MeteredStateStore::ReadFleet() {
  return Timed("read_fleet", [&] { return store_.ReadFleet(); });
}

absl::StatusOr<std::vector<LeaseRef>> MeteredStateStore::LiveLeases() {
  return Timed("live_leases", [&] { return store_.LiveLeases(); });
}

absl::StatusOr<std::vector<ClaimRef>> MeteredStateStore::LiveClaims() {
  return Timed("live_claims", [&] { return store_.LiveClaims(); });
}

absl::StatusOr<std::vector<ClaimRef>> MeteredStateStore::LiveHookClaims() {
  return Timed("live_hook_claims", [&] { return store_.LiveHookClaims(); });
}

absl::StatusOr<std::vector<GarbageRow>> MeteredStateStore::DueGarbage(absl::Time now, int32_t limit) {
  return Timed("due_garbage", [&] { return store_.DueGarbage(now, limit); });
}

absl::Status MeteredStateStore::ForgetGarbage(absl::string_view uri) {
  return Timed("forget_garbage", [&] { return store_.ForgetGarbage(uri); });
}

}  // namespace besa::server
