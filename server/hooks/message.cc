#include "server/hooks/message.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/time_util.h"

namespace besa::server {

absl::StatusOr<std::string> HookMessage(const v1::Job& job) {
  v1::Job told = job;
  told.mutable_completion_hook()->Clear();
  told.mutable_completion_hook()->set_uri(job.completion_hook().uri());
  // It counts up with every delivery.
  told.clear_version();
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto printed = google::protobuf::util::MessageToJsonString(told, &json, options);
  // A job holds nothing that JSON cannot.
  if (!printed.ok()) return absl::InternalError(printed.ToString());
  const std::string state = v1::JobState_Name(job.state());
  return absl::StrCat(R"({"type":"job.)", absl::AsciiStrToLower(absl::StripPrefix(state, "JOB_STATE_")),
                      R"(","timestamp":")", google::protobuf::util::TimeUtil::ToString(job.end_time()), R"(","data":)",
                      json, "}");
}

}  // namespace besa::server
