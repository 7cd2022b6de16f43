// What coordinators do by themselves: publish and keep house.
#include <utility>

#include "server/scheduler/control.h"
#include "server/scheduler/coordinator.h"
#include "server/scheduler/coordinator_run.h"
#include "server/scheduler/heartbeat.h"
#include "server/state/names.h"

namespace besa::server {
namespace {

// Of which the first that nobody else calls is taken.
constexpr int32_t kDueHooks = 100;

absl::Status OkIfGone(absl::Status status) { return absl::IsNotFound(status) ? absl::OkStatus() : status; }

}  // namespace

absl::StatusOr<std::optional<PublishingClaim>> Coordinator::ClaimPublishing(absl::string_view publisher) {
  ASSIGN_OR_RETURN(const std::vector<std::string> jobs, store_.JobsToPublish());
  for (const std::string& job_id : jobs) {
    auto claim = Run<std::optional<PublishingClaim>>(job_id, [&](JobRows rows, const Context& context) {
      return OnPublishingAsked(std::move(rows), publisher, store_.single_coordinator(), context);
    });
    if (absl::IsNotFound(claim.status())) continue;
    if (!claim.ok() || claim->has_value()) return claim;
  }
  return std::nullopt;
}

absl::Status Coordinator::BeatPublishing(absl::string_view job, int64_t claim) {
  ASSIGN_OR_RETURN(const std::string job_id, ParseJobName("job", job));
  return Run<Done>(job_id, [&](JobRows rows,
                               const Context& context) { return OnPublishingBeat(std::move(rows), claim, context); })
      .status();
}

absl::Status Coordinator::FinishPublishing(absl::string_view job, int64_t claim) {
  ASSIGN_OR_RETURN(const std::string job_id, ParseJobName("job", job));
  return Run<Done>(job_id,
                   [&](JobRows rows, const Context& context) { return OnPublished(std::move(rows), claim, context); })
      .status();
}

absl::Status Coordinator::FailPublishing(absl::string_view job, int64_t claim, const v1::JobError& error) {
  ASSIGN_OR_RETURN(const std::string job_id, ParseJobName("job", job));
  return Run<Done>(job_id,
                   [&](JobRows rows, const Context& context) {
                     return OnPublishingFailed(std::move(rows), claim, error, context);
                   })
      .status();
}

absl::StatusOr<std::optional<HookClaim>> Coordinator::ClaimHook(absl::string_view caller) {
  ASSIGN_OR_RETURN(const std::vector<std::string> jobs, store_.JobsWithDueHook(clock_.Now(), kDueHooks));
  for (const std::string& job_id : jobs) {
    auto claim = Run<std::optional<HookClaim>>(job_id, [&](JobRows rows, const Context& context) {
      return OnHookAsked(std::move(rows), caller, store_.single_coordinator(), context);
    });
    if (absl::IsNotFound(claim.status())) continue;
    if (!claim.ok() || claim->has_value()) return claim;
  }
  return std::nullopt;
}

absl::Status Coordinator::FinishHook(absl::string_view job, int64_t claim) {
  ASSIGN_OR_RETURN(const std::string job_id, ParseJobName("job", job));
  return Run<Done>(job_id, [&](JobRows rows,
                               const Context& context) { return OnHookDelivered(std::move(rows), claim, context); })
      .status();
}

absl::Status Coordinator::FailHook(absl::string_view job, int64_t claim, const HookFailure& failure) {
  ASSIGN_OR_RETURN(const std::string job_id, ParseJobName("job", job));
  return Run<Done>(job_id,
                   [&](JobRows rows, const Context& context) {
                     return OnHookFailed(std::move(rows), claim, failure, context);
                   })
      .status();
}

absl::Status Coordinator::ExpireLease(const LeaseRef& lease) {
  return OkIfGone(Run<Done>(lease.job_id, [&](JobRows rows, const Context& context) {
                    return OnLeaseExpired(std::move(rows), lease.task_id, lease.lease_id, lease.beat, context);
                  }).status());
}

absl::Status Coordinator::ExpireStuckLease(const LeaseRef& lease) {
  return OkIfGone(Run<Done>(lease.job_id, [&](JobRows rows, const Context& context) {
                    return OnLeaseStuck(std::move(rows), lease.task_id, lease.lease_id, lease.moves, context);
                  }).status());
}

absl::Status Coordinator::FailOverdueJobs() {
  ASSIGN_OR_RETURN(const std::vector<std::string> jobs, store_.OverdueJobs(clock_.Now()));
  for (const std::string& job_id : jobs) RETURN_IF_ERROR(OkIfGone(Run<Done>(job_id, OnDeadline).status()));
  return absl::OkStatus();
}

absl::Status Coordinator::ExpireClaim(const ClaimRef& claim) {
  return OkIfGone(Run<Done>(claim.job_id, [&](JobRows rows, const Context& context) {
                    return OnClaimExpired(std::move(rows), claim.claim, claim.beat, context);
                  }).status());
}

absl::Status Coordinator::ExpireHookClaim(const ClaimRef& claim) {
  return OkIfGone(Run<Done>(claim.job_id, [&](JobRows rows, const Context& context) {
                    return OnHookClaimExpired(std::move(rows), claim.claim, context);
                  }).status());
}

absl::Status Coordinator::MarkWorkerLost(const WorkerRow& worker) {
  return store_.MarkWorkerLost(worker.worker.name(), worker.worker.incarnation(), worker.seen).status();
}

absl::Status Coordinator::RefreshPendingReasons() {
  ASSIGN_OR_RETURN(const std::vector<std::string> jobs, store_.IdleJobs());
  for (const std::string& job_id : jobs) RETURN_IF_ERROR(OkIfGone(Run<Done>(job_id, OnRefresh).status()));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<GarbageRow>> Coordinator::DueGarbage(int32_t limit) {
  return store_.DueGarbage(clock_.Now(), limit);
}

absl::Status Coordinator::ForgetGarbage(absl::string_view uri) { return store_.ForgetGarbage(uri); }

}  // namespace besa::server
