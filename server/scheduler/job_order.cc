#include "server/scheduler/job_order.h"

#include <algorithm>
#include <tuple>

namespace besa::server {

std::vector<std::string> OrderJobs(std::vector<WorkRef> jobs, absl::string_view held_job) {
  const auto rank = [held_job](const WorkRef& job) {
    return std::make_tuple(-job.priority, job.leases, job.job_id != held_job);
  };
  // They come in order of age.
  std::stable_sort(jobs.begin(), jobs.end(), [&](const WorkRef& a, const WorkRef& b) { return rank(a) < rank(b); });
  std::vector<std::string> ids;
  ids.reserve(jobs.size());
  for (WorkRef& job : jobs) ids.push_back(std::move(job.job_id));
  return ids;
}

}  // namespace besa::server
