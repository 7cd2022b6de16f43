// The files of page/ and the chart library, as they were when the program was built.
#pragma once

#include "absl/strings/string_view.h"

namespace besa {

absl::string_view PageTemplate();
absl::string_view PageStyle();
absl::string_view PageScript();
// Apache ECharts, minified, its licence at its head.
absl::string_view ChartLibrary();

}  // namespace besa
