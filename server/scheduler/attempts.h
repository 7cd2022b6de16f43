// The record of the tries at a task, kept in Task.attempts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "besa/v1/task.pb.h"
#include "google/protobuf/timestamp.pb.h"

#include "server/state/rows.h"

namespace besa::server {

// How an attempt ended.
struct AttemptEnd {
  v1::AttemptOutcome outcome = v1::ATTEMPT_OUTCOME_UNSPECIFIED;
  v1::FailureReason reason = v1::FAILURE_REASON_UNSPECIFIED;
  std::string message;
  std::vector<std::string> log_tail;
};

// The attempt of that number; nullptr if there is none.
const v1::Attempt* FindAttempt(const v1::Task& task, int32_t number);

// Appends an attempt and returns its number, one more than the last.
int32_t StartAttempt(v1::Task& task, int32_t generation, absl::string_view worker, absl::string_view device,
                     absl::Time now);
// Writes the end into the attempt of that number, in place of any end written before.
void EndAttempt(v1::Task& task, int32_t number, const AttemptEnd& end, absl::Time now);
// Takes the end back: the attempt runs again.
void ReopenAttempt(v1::Task& task, int32_t number);

// Attempts of a generation that failed or were lost. Those that were handed back or cancelled don't count.
int32_t CountedAttempts(const v1::Task& task, int32_t generation);
// Why they did, with the most frequent first: "3 out of memory, 2 lost".
std::string CountedReasons(const v1::Task& task, int32_t generation);

// "<job id>/<task id>/<attempt>".
std::string LeaseId(absl::string_view job_id, absl::string_view task_id, int32_t attempt);
// Folder of an attempt's files, with a slash at its end.
std::string AttemptUri(const JobRow& job, absl::string_view task_id, int32_t attempt);

}  // namespace besa::server
