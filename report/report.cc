#include "report/report.h"

#include <utility>

#include "absl/strings/str_replace.h"
#include "report/page.h"
#include "report/report_data.h"

namespace besa {
namespace {

// JSON that nothing in it can end the script element around it.
std::string ForScript(const nlohmann::ordered_json& data) {
  return absl::StrReplaceAll(data.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace),
                             {{"<", "\\u003c"}, {">", "\\u003e"}, {"&", "\\u0026"}});
}

}  // namespace

std::string FormatReport(const v1::Job& job, const std::vector<v1::Task>& tasks, absl::string_view besa_version,
                         absl::Time now) {
  const std::string data = ForScript(ReportData(job, tasks, besa_version, now));
  // One pass: what is put in is not looked through again.
  return absl::StrReplaceAll(
      PageTemplate(),
      {{"@@STYLE@@", PageStyle()}, {"@@DATA@@", data}, {"@@CHARTS@@", ChartLibrary()}, {"@@SCRIPT@@", PageScript()}});
}

}  // namespace besa
