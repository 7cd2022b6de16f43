// Resource names: "jobs/{job}", "jobs/{job}/tasks/{task}", "workers/{worker}".
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace besa::server {

struct TaskName {
  std::string job_id;
  std::string task_id;
};

// The id in "jobs/{job}". INVALID_ARGUMENT naming `field` if the name is not of that form.
absl::StatusOr<std::string> ParseJobName(absl::string_view field, absl::string_view name);
// The ids in "jobs/{job}/tasks/{task}". As above.
absl::StatusOr<TaskName> ParseTaskName(absl::string_view field, absl::string_view name);
// OK if `name` is "workers/{worker}". As above.
absl::Status CheckWorkerName(absl::string_view field, absl::string_view name);

std::string JobName(absl::string_view job_id);
std::string MakeTaskName(absl::string_view job_id, absl::string_view task_id);

}  // namespace besa::server
