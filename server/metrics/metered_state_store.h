// A state store that times and counts what is asked of another one, and counts and logs what the steps come to.
#pragma once

#include <functional>

#include "prometheus/counter.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "server/metrics/step_metrics.h"
#include "server/state/state_store.h"
#include "storage/base/clock.h"

namespace besa::server {

//   besa_state_operation_seconds{operation}        histogram; waiting for the database and for other calls included
//   besa_state_operation_errors_total{operation, code}  but for NOT_FOUND and the like, which are answers
// and those of StepMetrics. Passes everything on to `store`; all arguments must outlive it. Thread-safe.
class MeteredStateStore final : public StateStore {
 public:
  MeteredStateStore(StateStore& store, prometheus::Registry& registry, const Clock& clock);

  bool single_coordinator() const override { return store_.single_coordinator(); }
  absl::StatusOr<JobRows> CreateJob(const CreateJobRow& create) override;
  absl::StatusOr<std::optional<v1::Job>> FindCreated(absl::string_view request_id,
                                                     absl::string_view request_hash) override;
  absl::Status UpdateJob(absl::string_view job_id, const JobStep& step) override;
  absl::Status UpdateTask(absl::string_view job_id, absl::string_view task_id, const TaskStep& step) override;
  absl::StatusOr<JobRows> ReadJob(absl::string_view job_id) override;
  absl::StatusOr<JobPage> ListJobs(int32_t limit, int64_t from, const JobFilter& filter) override;
  absl::StatusOr<EventPage> ReadEvents(absl::string_view job_id, int64_t after_version, int32_t limit) override;
  absl::StatusOr<std::vector<ProgressRow>> ReadProgress(absl::string_view job_id, int64_t after_serial) override;
  absl::StatusOr<std::vector<WorkRef>> JobsWithWork(int64_t memory_bytes) override;
  absl::StatusOr<WorkerRow> SetDraining(absl::string_view name, bool draining, const AuditRow& audit) override;
  absl::StatusOr<std::vector<std::string>> OverdueJobs(absl::Time now) override;
  absl::StatusOr<std::vector<AuditRef>> ListAudit(absl::string_view resource, int64_t before, int32_t limit) override;
  absl::StatusOr<std::vector<std::string>> JobsToPublish() override;
  absl::StatusOr<std::vector<std::string>> JobsWithDueHook(absl::Time now, int32_t limit) override;
  absl::StatusOr<int64_t> CountPendingHooks() override;
  absl::StatusOr<std::vector<std::string>> IdleJobs() override;
  absl::StatusOr<std::vector<LeaseRef>> LeasesOfWorker(absl::string_view worker) override;
  absl::Status PutWorker(const WorkerRow& worker) override;
  absl::StatusOr<WorkerRow> ReadWorker(absl::string_view name) override;
  absl::Status TouchWorker(absl::string_view name, absl::string_view incarnation, absl::Time now) override;
  absl::StatusOr<bool> MarkWorkerLost(absl::string_view name, absl::string_view incarnation, int64_t seen) override;
  absl::StatusOr<std::vector<WorkerRow>> ListWorkers(absl::string_view after_name, int32_t limit) override;
  absl::StatusOr<FleetSummary> ReadFleet() override;
  absl::StatusOr<std::vector<LeaseRef>> LiveLeases() override;
  absl::StatusOr<std::vector<ClaimRef>> LiveClaims() override;
  absl::StatusOr<std::vector<ClaimRef>> LiveHookClaims() override;
  absl::StatusOr<std::vector<GarbageRow>> DueGarbage(absl::Time now, int32_t limit) override;
  absl::Status ForgetGarbage(absl::string_view uri) override;

 private:
  template <class Operation>
  auto Timed(const char* name, const Operation& operation) -> decltype(operation());
  void Record(const char* name, absl::Duration began, const absl::Status& status);

  StateStore& store_;
  const Clock& clock_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  prometheus::Family<prometheus::Counter>& errors_;
  StepMetrics steps_;
};

}  // namespace besa::server
