#include "server/scheduler/publishing.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/time.h"
#include "server/scheduler/failure.h"
#include "server/scheduler/job_edit.h"
#include "server/scheduler/job_state.h"
#include "storage/base/error_info.h"

namespace besa::server {
namespace {

bool HoldsClaim(const JobRow& job, int64_t claim) {
  return job.job.state() == v1::JOB_STATE_PUBLISHING && !job.publisher.empty() && job.claim == claim;
}

absl::Status ClaimLost(const JobRow& job, int64_t claim) {
  return ErrorWithInfo(absl::StatusCode::kAborted,
                       absl::StrCat("claim ", claim, " to publish ", job.job.name(), " is no longer held"),
                       {"CLAIM_LOST", {{"job", job.job.name()}}});
}

}  // namespace

Decision<std::optional<PublishingClaim>> OnPublishingAsked(JobRows rows, absl::string_view publisher, bool takeover,
                                                           const Context& context) {
  JobEdit edit(std::move(rows), context);
  if (edit.job().job.state() != v1::JOB_STATE_PUBLISHING) return {std::nullopt, {}};
  const std::string& holder = edit.job().publisher;
  if (!holder.empty() && (holder == publisher || !takeover)) return {std::nullopt, {}};

  JobRow& row = edit.mutable_job();
  row.publisher = std::string(publisher);
  ++row.claim;
  row.claim_beat = 0;
  JobChanges changes = edit.Finish();

  PublishingClaim claim{row.job.name(), row.claim, row.job, {}, row.workspace_uri};
  for (const TaskRow& task : edit.tasks()) claim.tasks.push_back(task.task);
  return {std::move(claim), std::move(changes)};
}

Decision<Done> OnPublishingBeat(JobRows rows, int64_t claim, const Context& context) {
  JobEdit edit(std::move(rows), context);
  if (!HoldsClaim(edit.job(), claim)) return {ClaimLost(edit.job(), claim), {}};
  ++edit.mutable_job().claim_beat;
  return {Done{}, edit.Finish()};
}

Decision<Done> OnPublished(JobRows rows, int64_t claim, const Context& context) {
  JobEdit edit(std::move(rows), context);
  // The answer to this very call was lost.
  if (edit.job().job.state() == v1::JOB_STATE_SUCCEEDED && edit.job().claim == claim) return {Done{}, {}};
  if (!HoldsClaim(edit.job(), claim)) return {ClaimLost(edit.job(), claim), {}};
  JobRow& row = edit.mutable_job();
  row.publisher.clear();
  row.job.set_state(v1::JOB_STATE_SUCCEEDED);
  *row.job.mutable_end_time() = ToProto(context.now);
  edit.AddGarbage(row.workspace_uri, absl::ZeroDuration());
  return {Done{}, edit.Finish()};
}

Decision<Done> OnPublishingFailed(JobRows rows, int64_t claim, const v1::JobError& error, const Context& context) {
  JobEdit edit(std::move(rows), context);
  if (!HoldsClaim(edit.job(), claim)) return {ClaimLost(edit.job(), claim), {}};
  JobRow& row = edit.mutable_job();
  row.publisher.clear();
  ++row.publish_failures;
  if (IsHopeless(error.reason()) || row.publish_failures >= context.options.max_publish_failures) {
    FailJob(edit, error);
  }
  return {Done{}, edit.Finish()};
}

Decision<Done> OnClaimExpired(JobRows rows, int64_t claim, int64_t beat, const Context& context) {
  JobEdit edit(std::move(rows), context);
  if (!HoldsClaim(edit.job(), claim) || edit.job().claim_beat != beat) return {Done{}, {}};
  edit.mutable_job().publisher.clear();
  return {Done{}, edit.Finish()};
}

}  // namespace besa::server
