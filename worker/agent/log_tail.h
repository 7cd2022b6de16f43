// The last lines that were logged: what an attempt sends along.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "spdlog/sinks/base_sink.h"
#include "telemetry/log_context.h"

namespace besa::worker {

// A sink of the logger. Thread-safe.
class LogTail final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  // What Lines gives at most; as many are kept of two attempts together.
  static constexpr size_t kLines = 50;
  // Longer lines are cut.
  static constexpr size_t kLineBytes = 2000;

  LogTail();

  // Those logged by threads whose log fields began with `fields` (an attempt's; none: all), oldest first. Valid UTF-8.
  std::vector<std::string> Lines(const LogFields& fields = {});

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

 private:
  struct Line {
    LogFields fields;
    std::string text;
  };
  std::deque<Line> lines_;
};

// `text` with every byte outside ASCII replaced by '?' if it is not UTF-8: protocol buffers carry nothing else.
std::string ToUtf8(std::string text);

}  // namespace besa::worker
