// report.html: one file that shows a job to people, from what its commits recorded.
//
// It stands beside besa_run.json and, as that, is no part of the manifest: it holds times and workers. It needs no
// network when it is looked at; the chart library (Apache ECharts) is in it.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "besa/v1/job.pb.h"
#include "besa/v1/task.pb.h"

namespace besa {

inline constexpr char kReportName[] = "report.html";

// Of a job in any state; what is not known yet is left out. `tasks` in any order, `now` as the time of writing.
std::string FormatReport(const v1::Job& job, const std::vector<v1::Task>& tasks, absl::string_view besa_version,
                         absl::Time now);

}  // namespace besa
