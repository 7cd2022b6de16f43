#include "server/publisher/orphans.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "proto/time.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

constexpr absl::string_view kAttempts = "attempts";

// Job to the names of its attempts' folders that hold anything.
using Found = std::map<std::string, std::set<std::string>>;

absl::StatusOr<Found> List(storage::ObjectStore& store, const storage::Uri& workspace) {
  ASSIGN_OR_RETURN(const std::vector<storage::ObjectInfo> objects, store.List(workspace));
  Found found;
  for (const storage::ObjectInfo& object : objects) {
    const std::vector<std::string> path =
        absl::StrSplit(absl::string_view(object.uri.path()).substr(workspace.path().size()), '/', absl::SkipEmpty());
    if (path.size() < 2) continue;
    std::set<std::string>& attempts = found[path[0]];
    if (path.size() > 3 && path[1] == kAttempts) attempts.insert(path[2]);
  }
  return found;
}

absl::StatusOr<bool> WasCreatedHere(Coordinator& coordinator, const std::string& job) {
  v1::ListAuditEntriesRequest request;
  request.set_resource(job);
  request.set_page_size(1);
  ASSIGN_OR_RETURN(const v1::ListAuditEntriesResponse entries, coordinator.ListAuditEntries(request));
  return entries.entries_size() > 0;
}

// "prune-00003-2" of attempts that ended `long_ago` for good.
absl::StatusOr<std::set<std::string>> DeadAttempts(Coordinator& coordinator, const std::string& job,
                                                   absl::Time long_ago) {
  std::set<std::string> dead;
  v1::ListTasksRequest request;
  request.set_parent(job);
  request.set_page_size(1000);
  do {
    ASSIGN_OR_RETURN(const v1::ListTasksResponse page, coordinator.ListTasks(request));
    for (const v1::Task& task : page.tasks()) {
      const std::string id = task.name().substr(task.name().rfind('/') + 1);
      for (const v1::Attempt& attempt : task.attempts()) {
        if (!attempt.has_end_time() || FromProto(attempt.end_time()) > long_ago) continue;
        if (attempt.outcome() == v1::ATTEMPT_OUTCOME_COMMITTED) continue;
        const bool last = attempt.number() == task.attempts(task.attempts_size() - 1).number();
        const bool renewable = last && task.state() == v1::TASK_STATE_PENDING;
        if (!renewable) dead.insert(absl::StrCat(id, "-", attempt.number()));
      }
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return dead;
}

absl::Status SweepJob(Coordinator& coordinator, storage::ObjectStore& store, const storage::Uri& folder,
                      const std::string& job, const std::set<std::string>& attempts, absl::Time long_ago) {
  const absl::StatusOr<v1::Job> found = coordinator.GetJob(job);
  if (absl::IsNotFound(found.status())) {
    ASSIGN_OR_RETURN(const bool ours, WasCreatedHere(coordinator, job));
    return ours ? store.DeleteFolder(folder) : absl::OkStatus();
  }
  RETURN_IF_ERROR(found.status());
  const bool done = found->state() == v1::JOB_STATE_SUCCEEDED || found->state() == v1::JOB_STATE_CANCELLED;
  if (done && FromProto(found->end_time()) <= long_ago) return store.DeleteFolder(folder);
  if (done || attempts.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::set<std::string> dead, DeadAttempts(coordinator, job, long_ago));
  for (const std::string& attempt : attempts) {
    if (dead.contains(attempt)) RETURN_IF_ERROR(store.DeleteFolder(folder.Join(absl::StrCat(kAttempts, "/", attempt))));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SweepOrphans(Coordinator& coordinator, storage::ObjectStore& store, const storage::Uri& workspace,
                          absl::Time now) {
  // Listed first: what is there now belongs to attempts that the state, read afterwards, knows.
  ASSIGN_OR_RETURN(const Found found, List(store, workspace));
  const absl::Time long_ago = now - 2 * coordinator.options().lease_term;
  absl::Status first;
  for (const auto& [id, attempts] : found) {
    const auto folder = workspace.JoinUntrusted(id, "workspace");
    if (!folder.ok()) continue;
    first.Update(SweepJob(coordinator, store, *folder, absl::StrCat("jobs/", id), attempts, long_ago));
  }
  return first;
}

}  // namespace besa::server
