#include "server/scheduler/housekeeper.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

constexpr int32_t kWorkersAtOnce = 1000;
// Reasons change with the fleet, which takes seconds to change.
constexpr absl::Duration kRefreshInterval = absl::Seconds(5);

}  // namespace

bool Housekeeper::StoodStill(const std::string& key, int64_t count, absl::Duration term) {
  const absl::Duration now = clock_.Steady();
  const auto [entry, fresh] = seen_.try_emplace(key, Seen{count, now, round_});
  Seen& seen = entry->second;
  if (!fresh && seen.count != count) seen = {count, now, round_};
  seen.round = round_;
  return now - seen.since >= term;
}

absl::Status Housekeeper::Tick() {
  ++round_;
  absl::Status first;
  first.Update(CheckLeases());
  first.Update(CheckClaims());
  first.Update(CheckHookClaims());
  first.Update(CheckWorkers());
  first.Update(coordinator_.FailOverdueJobs());
  if (const absl::Duration now = clock_.Steady(); !refreshed_ || now - *refreshed_ >= kRefreshInterval) {
    refreshed_ = now;
    first.Update(coordinator_.RefreshPendingReasons());
  }
  // What was not seen in this round is gone.
  for (auto entry = seen_.begin(); entry != seen_.end();) {
    entry = entry->second.round == round_ ? std::next(entry) : seen_.erase(entry);
  }
  return first;
}

absl::Status Housekeeper::CheckLeases() {
  ASSIGN_OR_RETURN(const std::vector<LeaseRef> leases, store_.LiveLeases());
  const SchedulerOptions& options = coordinator_.options();
  absl::Status first;
  for (const LeaseRef& lease : leases) {
    // Both are asked in every round: that is how they are remembered.
    const bool silent = StoodStill(absl::StrCat("lease ", lease.lease_id), lease.beat, options.lease_term);
    const bool stuck = StoodStill(absl::StrCat("moves ", lease.lease_id), lease.moves, options.progress_term);
    if (silent) {
      first.Update(coordinator_.ExpireLease(lease));
    } else if (stuck) {
      first.Update(coordinator_.ExpireStuckLease(lease));
    }
  }
  return first;
}

absl::Status Housekeeper::CheckClaims() {
  ASSIGN_OR_RETURN(const std::vector<ClaimRef> claims, store_.LiveClaims());
  absl::Status first;
  for (const ClaimRef& claim : claims) {
    const std::string key = absl::StrCat("claim ", claim.job_id, " ", claim.claim);
    if (StoodStill(key, claim.beat, coordinator_.options().lease_term)) first.Update(coordinator_.ExpireClaim(claim));
  }
  return first;
}

absl::Status Housekeeper::CheckHookClaims() {
  ASSIGN_OR_RETURN(const std::vector<ClaimRef> claims, store_.LiveHookClaims());
  absl::Status first;
  for (const ClaimRef& claim : claims) {
    if (StoodStill(absl::StrCat("hook ", claim.job_id), claim.claim, coordinator_.options().lease_term)) {
      first.Update(coordinator_.ExpireHookClaim(claim));
    }
  }
  return first;
}

absl::Status Housekeeper::CheckWorkers() {
  absl::Status first;
  std::string after;
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<WorkerRow> workers, store_.ListWorkers(after, kWorkersAtOnce));
    for (const WorkerRow& row : workers) {
      if (row.lost) continue;
      const std::string key = absl::StrCat("worker ", row.worker.name(), " ", row.worker.incarnation());
      if (StoodStill(key, row.seen, coordinator_.options().lease_term)) first.Update(coordinator_.MarkWorkerLost(row));
    }
    if (workers.size() < static_cast<size_t>(kWorkersAtOnce)) return first;
    after = workers.back().worker.name();
  }
}

}  // namespace besa::server
