#include "client/cli/log_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/format.h"
#include "proto/time.h"

namespace besa::client {
namespace {

struct Entry {
  const v1::Task* task;
  const v1::Attempt* attempt;
};

bool Runs(const v1::Attempt& attempt) { return attempt.outcome() == v1::ATTEMPT_OUTCOME_UNSPECIFIED; }

bool WentWrong(const v1::Attempt& attempt) {
  return attempt.outcome() == v1::ATTEMPT_OUTCOME_FAILED || attempt.outcome() == v1::ATTEMPT_OUTCOME_EXPIRED;
}

// What is looked for comes first.
int Rank(const v1::Attempt& attempt) { return WentWrong(attempt) ? 0 : Runs(attempt) ? 1 : 2; }

std::string Heading(const Entry& entry) {
  const v1::Attempt& attempt = *entry.attempt;
  std::string heading = absl::StrCat("== ", entry.task->name().substr(entry.task->name().rfind('/') + 1), ", attempt ",
                                     attempt.number(), ", ", attempt.worker(), ": ");
  absl::StrAppend(&heading, Runs(attempt) ? "runs" : EnumWord(attempt.outcome()));
  if (attempt.reason() != v1::FAILURE_REASON_UNSPECIFIED) absl::StrAppend(&heading, ", ", EnumWord(attempt.reason()));
  if (!Runs(attempt)) absl::StrAppend(&heading, ", ", ShowTime(attempt.end_time()));
  absl::StrAppend(&heading, "\n");
  if (!attempt.message().empty()) absl::StrAppend(&heading, OneLine(attempt.message()), "\n");
  return heading;
}

}  // namespace

std::string DescribeLogs(const v1::ListTasksResponse& tasks, bool failed_only) {
  std::vector<Entry> entries;
  for (const v1::Task& task : tasks.tasks()) {
    for (const v1::Attempt& attempt : task.attempts()) {
      if (!failed_only || WentWrong(attempt)) entries.push_back({&task, &attempt});
    }
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    if (Rank(*a.attempt) != Rank(*b.attempt)) return Rank(*a.attempt) < Rank(*b.attempt);
    return WentWrong(*a.attempt) && FromProto(a.attempt->end_time()) > FromProto(b.attempt->end_time());
  });
  std::string text;
  for (const Entry& entry : entries) {
    const bool runs = Runs(*entry.attempt);
    const auto& lines = runs ? entry.task->progress().log_tail() : entry.attempt->log_tail();
    if (lines.empty() && !WentWrong(*entry.attempt)) continue;
    absl::StrAppend(&text, text.empty() ? "" : "\n", Heading(entry));
    for (const std::string& line : lines) absl::StrAppend(&text, OneLine(line), "\n");
  }
  if (text.empty()) return failed_only ? "no attempt failed\n" : "nothing was logged yet\n";
  return text;
}

}  // namespace besa::client
