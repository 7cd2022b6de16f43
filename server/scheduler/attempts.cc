#include "server/scheduler/attempts.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/time.h"

namespace besa::server {
namespace {

v1::Attempt* MutableAttempt(v1::Task& task, int32_t number) {
  for (v1::Attempt& attempt : *task.mutable_attempts()) {
    if (attempt.number() == number) return &attempt;
  }
  return nullptr;
}

bool Counts(const v1::Attempt& attempt, int32_t generation) {
  return attempt.generation() == generation &&
         (attempt.outcome() == v1::ATTEMPT_OUTCOME_FAILED || attempt.outcome() == v1::ATTEMPT_OUTCOME_EXPIRED);
}

}  // namespace

const v1::Attempt* FindAttempt(const v1::Task& task, int32_t number) {
  for (const v1::Attempt& attempt : task.attempts()) {
    if (attempt.number() == number) return &attempt;
  }
  return nullptr;
}

int32_t StartAttempt(v1::Task& task, int32_t generation, absl::string_view worker, absl::string_view device,
                     absl::Time now) {
  const int32_t number = task.attempts_size() == 0 ? 1 : task.attempts(task.attempts_size() - 1).number() + 1;
  v1::Attempt& attempt = *task.add_attempts();
  attempt.set_number(number);
  attempt.set_generation(generation);
  attempt.set_worker(std::string(worker));
  attempt.set_device(std::string(device));
  *attempt.mutable_start_time() = ToProto(now);
  return number;
}

void EndAttempt(v1::Task& task, int32_t number, const AttemptEnd& end, absl::Time now) {
  ReopenAttempt(task, number);
  v1::Attempt* attempt = MutableAttempt(task, number);
  if (attempt == nullptr) return;
  *attempt->mutable_end_time() = ToProto(now);
  attempt->set_outcome(end.outcome);
  attempt->set_reason(end.reason);
  attempt->set_message(end.message);
  for (const std::string& line : end.log_tail) attempt->add_log_tail(line);
}

void ReopenAttempt(v1::Task& task, int32_t number) {
  v1::Attempt* attempt = MutableAttempt(task, number);
  if (attempt == nullptr) return;
  attempt->clear_end_time();
  attempt->clear_outcome();
  attempt->clear_reason();
  attempt->clear_message();
  attempt->clear_log_tail();
}

int32_t CountedAttempts(const v1::Task& task, int32_t generation) {
  return static_cast<int32_t>(std::count_if(task.attempts().begin(), task.attempts().end(),
                                            [&](const v1::Attempt& attempt) { return Counts(attempt, generation); }));
}

std::string CountedReasons(const v1::Task& task, int32_t generation) {
  std::map<v1::FailureReason, int> counts;
  for (const v1::Attempt& attempt : task.attempts()) counts[attempt.reason()] += Counts(attempt, generation) ? 1 : 0;
  std::vector<std::pair<int, std::string>> reasons;
  for (const auto& [reason, count] : counts) {
    std::string words = v1::FailureReason_Name(reason).substr(sizeof("FAILURE_REASON_") - 1);
    for (char& c : words) c = c == '_' ? ' ' : absl::ascii_tolower(static_cast<unsigned char>(c));
    if (count > 0) reasons.emplace_back(-count, absl::StrCat(count, " ", words));
  }
  std::sort(reasons.begin(), reasons.end());
  return absl::StrJoin(reasons, ", ", [](std::string* out, const auto& reason) { out->append(reason.second); });
}

std::string LeaseId(absl::string_view job_id, absl::string_view task_id, int32_t attempt) {
  return absl::StrCat(job_id, "/", task_id, "/", attempt);
}

std::string AttemptUri(const JobRow& job, absl::string_view task_id, int32_t attempt) {
  return absl::StrCat(job.workspace_uri, "attempts/", task_id, "-", attempt, "/");
}

}  // namespace besa::server
