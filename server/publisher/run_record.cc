#include "server/publisher/run_record.h"

#include "google/protobuf/util/time_util.h"
#include "nlohmann/json.hpp"

namespace besa::server {
namespace {

using Json = nlohmann::ordered_json;
using google::protobuf::util::TimeUtil;

Json StageSeconds(const google::protobuf::RepeatedPtrField<v1::StageSeconds>& stages) {
  Json seconds = Json::object();
  for (const v1::StageSeconds& stage : stages) seconds[stage.stage()] = stage.seconds();
  return seconds;
}

Json AttemptRecord(const v1::Attempt& attempt) {
  Json record = {{"number", attempt.number()},
                 {"generation", attempt.generation()},
                 {"worker", attempt.worker()},
                 {"start_time", TimeUtil::ToString(attempt.start_time())},
                 {"end_time", TimeUtil::ToString(attempt.end_time())},
                 {"outcome", v1::AttemptOutcome_Name(attempt.outcome())}};
  if (attempt.reason() != v1::FAILURE_REASON_UNSPECIFIED) {
    record["reason"] = v1::FailureReason_Name(attempt.reason());
    record["message"] = attempt.message();
  }
  return record;
}

}  // namespace

std::string FormatRunRecord(const v1::Job& job, const std::vector<v1::Task>& tasks) {
  Json record;
  record["format_version"] = 1;
  record["job"] = job.name();
  record["display_name"] = job.spec().display_name();
  record["output_uri"] = job.spec().output_uri();
  record["generation"] = job.generation();
  record["create_time"] = TimeUtil::ToString(job.create_time());
  record["start_time"] = TimeUtil::ToString(job.start_time());
  record["stage_seconds"] = StageSeconds(job.result().stages());
  Json listed = Json::array();
  for (const v1::Task& task : tasks) {
    Json attempts = Json::array();
    for (const v1::Attempt& attempt : task.attempts()) attempts.push_back(AttemptRecord(attempt));
    listed.push_back({{"name", task.name()},
                      {"numerics", task.result().numerics()},
                      {"stage_seconds", StageSeconds(task.result().stages())},
                      {"attempts", std::move(attempts)}});
  }
  record["tasks"] = std::move(listed);
  return record.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<std::string> RunRecordJob(absl::string_view text) {
  const Json record = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!record.is_object() || !record.contains("job") || !record["job"].is_string()) return std::nullopt;
  return record["job"].get<std::string>();
}

}  // namespace besa::server
