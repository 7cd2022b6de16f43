#include "server/metrics/labels.h"

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace besa::server {
namespace {

std::string Without(absl::string_view prefix, const std::string& name) {
  return std::string(absl::StripPrefix(name, prefix));
}

}  // namespace

std::string StateLabel(v1::JobState state) { return Without("JOB_STATE_", v1::JobState_Name(state)); }
std::string StateLabel(v1::TaskState state) { return Without("TASK_STATE_", v1::TaskState_Name(state)); }
std::string StateLabel(v1::WorkerState state) { return Without("WORKER_STATE_", v1::WorkerState_Name(state)); }
std::string KindLabel(v1::TaskKind kind) { return Without("TASK_KIND_", v1::TaskKind_Name(kind)); }
std::string OutcomeLabel(v1::AttemptOutcome outcome) {
  return Without("ATTEMPT_OUTCOME_", v1::AttemptOutcome_Name(outcome));
}
std::string ReasonLabel(v1::FailureReason reason) {
  if (reason == v1::FAILURE_REASON_UNSPECIFIED) return "NONE";
  return Without("FAILURE_REASON_", v1::FailureReason_Name(reason));
}

}  // namespace besa::server
