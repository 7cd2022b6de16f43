// The log of coordinator and worker: one line an event on standard error, with the fields in scope (log_context.h).
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "spdlog/common.h"

namespace besa {

enum class LogFormat {
  // 2026-01-31T12:00:00.000Z info committed worker=w1 job=jobs/x task=prune-00003 block=3 attempt=1 trace=4bf9...
  kText,
  // {"time":"2026-01-31T12:00:00.000Z","level":"info","message":"committed","worker":"w1",...}
  kJson,
};

// kJson for "json", otherwise kText.
LogFormat ParseLogFormat(absl::string_view name);

// Makes spdlog's default logger write to standard error and to `sinks`. INVALID_ARGUMENT for a level other than trace,
// debug, info, warn, warning, error.
absl::Status SetUpLogging(absl::string_view level, LogFormat format, const std::vector<spdlog::sink_ptr>& sinks = {});

}  // namespace besa
