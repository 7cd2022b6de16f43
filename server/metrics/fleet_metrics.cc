#include "server/metrics/fleet_metrics.h"

#include <algorithm>
#include <set>
#include <utility>

#include "google/protobuf/util/time_util.h"
#include "server/scheduler/all_workers.h"
#include "server/scheduler/job_state.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

using google::protobuf::util::TimeUtil;

// Jobs that have not ended, and those of which something still runs.
absl::StatusOr<std::set<std::string>> LiveJobs(StateStore& store) {
  ASSIGN_OR_RETURN(const std::vector<std::string> idle, store.IdleJobs());
  ASSIGN_OR_RETURN(const std::vector<LeaseRef> leases, store.LiveLeases());
  std::set<std::string> jobs(idle.begin(), idle.end());
  for (const LeaseRef& lease : leases) jobs.insert(lease.job_id);
  return jobs;
}

void SetProgress(const std::vector<ProgressRow>& reports, ShownJob& shown) {
  std::map<std::string, const v1::TaskProgress*> by_task;
  for (const ProgressRow& report : reports) by_task[report.task_id] = &report.progress;
  for (v1::Task& task : shown.tasks) {
    const auto report = by_task.find(task.name().substr(task.name().rfind('/') + 1));
    if (report != by_task.end()) *task.mutable_progress() = *report->second;
  }
}

}  // namespace

absl::Status FleetMetrics::RefreshJob(const std::string& job_id) {
  Known& known = known_[job_id];
  const int64_t version = known.shown.job.version();
  bool changed = version == 0;
  if (!changed) {
    ASSIGN_OR_RETURN(const EventPage page, store_.ReadEvents(job_id, version, /*limit=*/1));
    changed = page.too_old || !page.events.empty();
  }
  if (changed) {
    ASSIGN_OR_RETURN(JobRows rows, store_.ReadJob(job_id));
    known.shown.job = std::move(rows.job.job);
    known.shown.tasks.clear();
    for (TaskRow& row : rows.tasks) known.shown.tasks.push_back(std::move(row.task));
    const bool ended = HasEnded(known.shown.job.state());
    known.ended = ended ? std::min(known.ended, clock_.Steady()) : absl::InfiniteDuration();
  }
  ASSIGN_OR_RETURN(const std::vector<ProgressRow> reports, store_.ReadProgress(job_id, 0));
  SetProgress(reports, known.shown);
  return absl::OkStatus();
}

absl::Status FleetMetrics::RefreshJobs() {
  ASSIGN_OR_RETURN(std::set<std::string> jobs, LiveJobs(store_));
  // Also those that have ended since.
  for (const auto& [job_id, known] : known_) jobs.insert(job_id);
  for (const std::string& job_id : jobs) {
    const absl::Status status = RefreshJob(job_id);
    if (absl::IsNotFound(status)) {
      known_.erase(job_id);
    } else {
      RETURN_IF_ERROR(status);
    }
  }
  std::erase_if(known_, [&](const auto& entry) { return clock_.Steady() - entry.second.ended > options_.linger; });
  return absl::OkStatus();
}

absl::Status FleetMetrics::Refresh() {
  RETURN_IF_ERROR(RefreshJobs());
  ASSIGN_OR_RETURN(const std::vector<v1::Worker> workers, AllWorkers(coordinator_));
  ASSIGN_OR_RETURN(const int64_t pending_hooks, store_.CountPendingHooks());
  std::vector<ShownJob> jobs;
  for (const auto& [job_id, known] : known_) jobs.push_back(known.shown);
  std::sort(jobs.begin(), jobs.end(), [](const ShownJob& a, const ShownJob& b) {
    return TimeUtil::TimestampToMicroseconds(a.job.create_time()) <
           TimeUtil::TimestampToMicroseconds(b.job.create_time());
  });
  std::vector<prometheus::MetricFamily> families =
      FleetFamilies(jobs, workers, pending_hooks, clock_.Now(), options_.budget);
  const std::lock_guard lock(mutex_);
  families_ = std::move(families);
  return absl::OkStatus();
}

std::vector<prometheus::MetricFamily> FleetMetrics::Collect() const {
  const std::lock_guard lock(mutex_);
  return families_;
}

}  // namespace besa::server
