#include "server/scheduler/hook_delivery.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/time.h"
#include "server/scheduler/job_state.h"
#include "storage/base/error_info.h"

namespace besa::server {
namespace {

bool HoldsClaim(const JobRow& row, int64_t claim) {
  return row.job.completion_hook().state() == v1::COMPLETION_HOOK_STATE_PENDING && !row.hook_caller.empty() &&
         row.hook_claim == claim;
}

absl::Status ClaimLost(const JobRow& row, int64_t claim) {
  return ErrorWithInfo(
      absl::StatusCode::kAborted,
      absl::StrCat("claim ", claim, " to call the completion hook of ", row.job.name(), " is no longer held"),
      {"CLAIM_LOST", {{"job", row.job.name()}}});
}

}  // namespace

void FollowWithHook(JobEdit& edit) {
  if (!edit.job().job.has_completion_hook()) return;
  JobRow& row = edit.mutable_job();
  v1::CompletionHook& hook = *row.job.mutable_completion_hook();
  const std::string uri = hook.uri();
  hook.Clear();
  hook.set_uri(uri);
  row.hook_caller.clear();
  if (!HasEnded(row.job.state())) return;
  hook.set_state(v1::COMPLETION_HOOK_STATE_PENDING);
  *hook.mutable_next_attempt_time() = ToProto(edit.context().now);
}

Decision<std::optional<HookClaim>> OnHookAsked(JobRows rows, absl::string_view caller, bool takeover,
                                               const Context& context) {
  JobEdit edit(std::move(rows), context);
  const v1::CompletionHook& pending = edit.job().job.completion_hook();
  if (pending.state() != v1::COMPLETION_HOOK_STATE_PENDING || FromProto(pending.next_attempt_time()) > context.now) {
    return {std::nullopt, {}};
  }
  const std::string& holder = edit.job().hook_caller;
  if (!holder.empty() && (holder == caller || !takeover)) return {std::nullopt, {}};

  JobRow& row = edit.mutable_job();
  row.hook_caller = std::string(caller);
  ++row.hook_claim;
  v1::CompletionHook& hook = *row.job.mutable_completion_hook();
  hook.set_attempts(hook.attempts() + 1);
  JobChanges changes = edit.Finish();
  return {HookClaim{row.job, row.hook_claim, absl::StrCat(row.id, "-", row.job.generation())}, std::move(changes)};
}

Decision<Done> OnHookDelivered(JobRows rows, int64_t claim, const Context& context) {
  JobEdit edit(std::move(rows), context);
  if (!HoldsClaim(edit.job(), claim)) return {ClaimLost(edit.job(), claim), {}};
  JobRow& row = edit.mutable_job();
  row.hook_caller.clear();
  v1::CompletionHook& hook = *row.job.mutable_completion_hook();
  hook.set_state(v1::COMPLETION_HOOK_STATE_DELIVERED);
  hook.clear_next_attempt_time();
  hook.clear_last_error();
  return {Done{}, edit.Finish()};
}

Decision<Done> OnHookFailed(JobRows rows, int64_t claim, const HookFailure& failure, const Context& context) {
  JobEdit edit(std::move(rows), context);
  if (!HoldsClaim(edit.job(), claim)) return {ClaimLost(edit.job(), claim), {}};
  JobRow& row = edit.mutable_job();
  row.hook_caller.clear();
  v1::CompletionHook& hook = *row.job.mutable_completion_hook();
  hook.set_last_error(failure.error);
  const absl::Time next = context.now + context.options.hook_backoff.Delay(hook.attempts(), failure.jitter);
  if (failure.final || next > FromProto(row.job.end_time()) + context.options.hook_patience) {
    hook.set_state(v1::COMPLETION_HOOK_STATE_FAILED);
    hook.clear_next_attempt_time();
  } else {
    *hook.mutable_next_attempt_time() = ToProto(next);
  }
  return {Done{}, edit.Finish()};
}

Decision<Done> OnHookClaimExpired(JobRows rows, int64_t claim, const Context& context) {
  JobEdit edit(std::move(rows), context);
  if (!HoldsClaim(edit.job(), claim)) return {Done{}, {}};
  JobRow& row = edit.mutable_job();
  row.hook_caller.clear();
  row.job.mutable_completion_hook()->set_last_error("the coordinator that made the call was not heard of again");
  return {Done{}, edit.Finish()};
}

}  // namespace besa::server
