// What the page of report.html is given.
#pragma once

#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "besa/v1/job.pb.h"
#include "besa/v1/task.pb.h"
#include "nlohmann/json.hpp"

namespace besa {

// The members are those that page/report.js reads. Loss curves have at most 200 points.
nlohmann::ordered_json ReportData(const v1::Job& job, const std::vector<v1::Task>& tasks,
                                  absl::string_view besa_version, absl::Time now);

}  // namespace besa
