#include "server/state/names.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "storage/base/error_info.h"

namespace besa::server {
namespace {

constexpr size_t kMaxIdLength = 200;

bool IsId(absl::string_view id) {
  return !id.empty() && id.size() <= kMaxIdLength && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == ':';
  });
}

}  // namespace

absl::StatusOr<std::string> ParseJobName(absl::string_view field, absl::string_view name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  if (parts.size() != 2 || parts[0] != "jobs" || !IsId(parts[1])) return FieldError(field, name, "jobs/{job}");
  return parts[1];
}

absl::StatusOr<TaskName> ParseTaskName(absl::string_view field, absl::string_view name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  if (parts.size() != 4 || parts[0] != "jobs" || parts[2] != "tasks" || !IsId(parts[1]) || !IsId(parts[3])) {
    return FieldError(field, name, "jobs/{job}/tasks/{task}");
  }
  return TaskName{parts[1], parts[3]};
}

absl::Status CheckWorkerName(absl::string_view field, absl::string_view name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  if (parts.size() == 2 && parts[0] == "workers" && IsId(parts[1])) return absl::OkStatus();
  return FieldError(field, name, "workers/{worker}, {worker} of letters, digits and -_.:");
}

std::string JobName(absl::string_view job_id) { return absl::StrCat("jobs/", job_id); }

std::string MakeTaskName(absl::string_view job_id, absl::string_view task_id) {
  return absl::StrCat("jobs/", job_id, "/tasks/", task_id);
}

}  // namespace besa::server
