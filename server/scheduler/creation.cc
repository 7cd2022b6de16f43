#include "server/scheduler/creation.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "proto/time.h"
#include "server/scheduler/attempts.h"
#include "server/scheduler/pending_reason.h"
#include "server/scheduler/plan.h"
#include "server/scheduler/progress.h"
#include "server/state/names.h"

namespace besa::server {

CreateJobRow OnCreated(std::string job_id, const NewJob& request, const Context& context) {
  CreateJobRow create;
  create.request_id = request.request_id;
  create.request_hash = request.request_hash;

  JobRows& rows = create.rows;
  rows.tasks = PlanTasks(job_id, request.spec, request.model);
  rows.job.workspace_uri = absl::StrCat(absl::StripSuffix(context.options.workspace_uri, "/"), "/", job_id, "/");
  rows.job.output_key = request.output_key;

  v1::Job& job = rows.job.job;
  job.set_name(JobName(job_id));
  *job.mutable_spec() = request.spec;
  job.set_state(v1::JOB_STATE_PENDING);
  job.set_version(1);
  job.set_generation(1);
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
