// A worker ends an attempt without a result.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "besa/v1/job.pb.h"

#include "server/scheduler/context.h"
#include "server/scheduler/holder.h"

namespace besa::server {

// What the worker reports.
struct Failure {
  v1::FailureReason reason = v1::FAILURE_REASON_UNSPECIFIED;
  std::string message;
  std::vector<std::string> log_tail;
};

// INVALID_INPUT, BAD_NUMBERS and INPUT_CHANGED fail the job at once: another attempt would end the same way. DRAINED
// and CANCELLED hand the task back, uncounted. Anything else counts as an attempt. In a stopped job every end is a
// cancellation. ABORTED if the lease is lost; repeating the same call returns OK.
Decision<Done> OnFailed(JobRows rows, absl::string_view task_id, const Holder& holder, const Failure& failure,
                        const Context& context);

// Whether another attempt would end the same way.
bool IsHopeless(v1::FailureReason reason);

}  // namespace besa::server
