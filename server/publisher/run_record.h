// besa_run.json: what varies from run to run of one spec. Written first, it also marks the folder as the job's own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "besa/v1/job.pb.h"
#include "besa/v1/task.pb.h"

namespace besa::server {

// Job, times, workers, attempts and seconds a stage.
std::string FormatRunRecord(const v1::Job& job, const std::vector<v1::Task>& tasks);

// "jobs/{job}" of the job that wrote the record; nullopt if the text is none.
std::optional<std::string> RunRecordJob(absl::string_view text);

}  // namespace besa::server
