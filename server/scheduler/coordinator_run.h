// Coordinator::Run, shared by the files that implement the Coordinator. Not for others.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "server/scheduler/coordinator.h"
#include "storage/base/status_macros.h"

namespace besa::server {

template <class Reply, class Step>
absl::StatusOr<Reply> Coordinator::Run(absl::string_view job_id, const Step& step) {
  ASSIGN_OR_RETURN(const Context context, MakeContext());
  std::optional<absl::StatusOr<Reply>> reply;
  JobChanges changes;
  RETURN_IF_ERROR(store_.UpdateJob(job_id, [&](JobRows rows) {
    Decision<Reply> decision = step(std::move(rows), context);
    reply = std::move(decision.reply);
    changes = decision.changes;
    return std::move(decision.changes);
  }));
  Wake(job_id, changes);
  return *std::move(reply);
}

template <class Reply, class Step>
absl::StatusOr<Reply> Coordinator::RunAsked(absl::string_view job_id, const char* action, const std::string& detail,
                                            const Caller& caller, const Step& step) {
  return Run<Reply>(job_id, [&](JobRows rows, const Context& context) {
    std::string name = rows.job.job.name();
    Decision<Reply> decision = step(std::move(rows), context);
    if (!decision.changes.empty()) decision.changes.audit.push_back(Audit(action, std::move(name), detail, caller));
    return decision;
  });
}

}  // namespace besa::server
