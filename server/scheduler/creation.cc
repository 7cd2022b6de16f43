#include "server/scheduler/creation.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "proto/time.h"
#include "server/scheduler/attempts.h"
#include "server/scheduler/pending_reason.h"
#include "server/scheduler/plan.h"
#include "server/scheduler/progress.h"
#include "server/scheduler/stored_boundaries.h"
#include "server/state/names.h"

namespace besa::server {
namespace {

// Nobody may be there yet who asks for stored activations: they would not, for one worker.
constexpr int32_t kFewestSweepers = 2;

std::vector<v1::SweepShare> SharesOf(const NewJob& request, v1::Activations activations, int32_t workers) {
  if (activations != v1::ACTIVATIONS_STORED) return {};
  workers = std::max(workers, kFewestSweepers);
  return PlanShares(request.spec.calibration(), workers, PlanBoundaries(request.model.blocks(), workers));
}

}  // namespace

void SetDeadline(v1::Job& job, absl::Time now) {
  if (job.has_time_limit()) *job.mutable_deadline() = ToProto(now + FromProto(job.time_limit()));
}

CreateJobRow OnCreated(std::string job_id, const NewJob& request, const Context& context) {
  CreateJobRow create;
  create.request_id = request.request_id;
  create.request_hash = request.request_hash;

  JobRows& rows = create.rows;
  const v1::Activations activations = ResolveActivations(
      request.spec, request.activations, request.model, context.fleet.workers, context.options.worker_bytes_per_second);
  rows.tasks = PlanTasks(job_id, request.spec, request.model, SharesOf(request, activations, context.fleet.workers));
  for (TaskRow& row : rows.tasks) {
    if (row.task.kind() == v1::TASK_KIND_PREPARE) row.task.set_memory_bytes(request.prepare_memory_bytes);
  }
  rows.job.workspace_uri = absl::StrCat(absl::StripSuffix(context.options.workspace_uri, "/"), "/", job_id, "/");
  rows.job.output_key = request.output_key;

  v1::Job& job = rows.job.job;
  job.set_name(JobName(job_id));
  *job.mutable_spec() = request.spec;
  job.set_state(v1::JOB_STATE_PENDING);
  job.set_priority(request.priority);
  job.set_owner(request.owner);
  for (const auto& [key, value] : request.labels) (*job.mutable_labels())[key] = value;
  if (request.time_limit > absl::ZeroDuration()) *job.mutable_time_limit() = ToProto(request.time_limit);
  if (!request.completion_hook.empty()) job.mutable_completion_hook()->set_uri(request.completion_hook);
  SetDeadline(job, context.now);
  job.set_version(1);
  job.set_generation(1);
  job.set_activations(activations);
  job.set_trace_id(request.trace_id);
  *job.mutable_create_time() = ToProto(context.now);
  *job.mutable_model() = request.model;
  *job.mutable_progress() = ComputeProgress(rows, context.now);
  job.mutable_result();
  job.set_pending_reason(JobPendingReason(rows, context.fleet, /*say_queued=*/true));
  rows.job.id = std::move(job_id);

  v1::WatchJobResponse& event = create.events.emplace_back();
  event.set_version(1);
  *event.mutable_job() = job;
  return create;
}

}  // namespace besa::server
