// The last lines that were logged: what a failing attempt sends along.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "spdlog/sinks/base_sink.h"

namespace besa::worker {

// A sink of the logger. Thread-safe.
class LogTail final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  static constexpr size_t kLines = 50;
  // Longer lines are cut.
  static constexpr size_t kLineBytes = 2000;

  LogTail();

  // Oldest first. Valid UTF-8.
  std::vector<std::string> Lines();
  void Clear();

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

 private:
  std::deque<std::string> lines_;
};

// `text` with every byte outside ASCII replaced by '?' if it is not UTF-8: protocol buffers carry nothing else.
std::string ToUtf8(std::string text);

}  // namespace besa::worker
