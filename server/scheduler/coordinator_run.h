// Coordinator::Run, shared by the files that implement the Coordinator. Not for others.
#pragma once

#include <optional>
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

}  // namespace besa::server
