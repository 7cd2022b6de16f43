// The worker's log: one line an event, with the fields in scope (log_context.h).
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "worker/agent/log_tail.h"

namespace besa::worker {

enum class LogFormat {
  // 2026-01-31T12:00:00.000Z info committed worker=w1 job=jobs/x task=prune-00003 attempt=1
  kText,
  // {"time":"2026-01-31T12:00:00.000Z","level":"info","message":"committed","worker":"w1",...}
  kJson,
};

// Makes spdlog's default logger write to standard error and to `tail`. INVALID_ARGUMENT for a level other than trace,
// debug, info, warn, error.
absl::Status SetUpLogging(absl::string_view level, LogFormat format, std::shared_ptr<LogTail> tail);

}  // namespace besa::worker
