#include "worker/agent/log_tail.h"

#include <algorithm>
#include <memory>
#include <ranges>
#include <utility>

#include "spdlog/pattern_formatter.h"
#include "storage/base/utf8.h"

namespace besa::worker {

std::string ToUtf8(std::string text) {
  if (IsUtf8(text)) return text;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return text;
}

LogTail::LogTail()
    : base_sink(std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %l %v",
                                                            spdlog::pattern_time_type::utc, "")) {}

std::vector<std::string> LogTail::Lines(const LogFields& fields) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> found;
  for (const Line& line : lines_) {
    const bool begins = line.fields.size() >= fields.size() &&
                        std::ranges::equal(fields, line.fields | std::views::take(std::ssize(fields)));
    if (begins) found.push_back(line.text);
  }
  if (found.size() > kLines) found.erase(found.begin(), found.end() - kLines);
  return found;
}

void LogTail::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t formatted;
  formatter_->format(message, formatted);
  std::string line(formatted.data(), std::min(formatted.size(), kLineBytes));
  lines_.push_back({.fields = CurrentLogFields(), .text = ToUtf8(std::move(line))});
  if (lines_.size() > 2 * kLines) lines_.pop_front();
}

}  // namespace besa::worker
