#include "server/hooks/message.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/util/time_util.h"
#include "proto/json.h"
#include "storage/base/status_macros.h"

namespace besa::server {

absl::StatusOr<std::string> HookMessage(const v1::Job& job) {
  v1::Job told = job;
  told.mutable_completion_hook()->Clear();
  told.mutable_completion_hook()->set_uri(job.completion_hook().uri());
  // It counts up with every delivery.
  told.clear_version();
  ASSIGN_OR_RETURN(const std::string json, ToJson(told));
  const std::string state = v1::JobState_Name(job.state());
  return absl::StrCat(R"({"type":"job.)", absl::AsciiStrToLower(absl::StripPrefix(state, "JOB_STATE_")),
                      R"(","timestamp":")", google::protobuf::util::TimeUtil::ToString(job.end_time()), R"(","data":)",
                      json, "}");
}

}  // namespace besa::server
