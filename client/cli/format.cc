#include "client/cli/format.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proto/time.h"

namespace besa::client {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

int Width(absl::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return !IsContinuation(c); }));
}

}  // namespace

std::string ShowDuration(absl::Duration duration) {
  duration = std::max(duration, absl::ZeroDuration());
  if (duration < absl::Seconds(59.95)) return absl::StrFormat("%.1f s", absl::ToDoubleSeconds(duration));
  const int64_t seconds = absl::ToInt64Seconds(duration + absl::Milliseconds(500));
  if (seconds < 3600) return absl::StrFormat("%d min %02d s", seconds / 60, seconds % 60);
  return absl::StrFormat("%d h %02d min", seconds / 3600, seconds / 60 % 60);
}

std::string ShowCount(int64_t count) {
  std::string digits = absl::StrCat(count);
  const size_t first = digits.front() == '-' ? 1 : 0;
  for (size_t at = digits.size(); at > first + 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string ShowLoss(double loss) { return absl::StrFormat("%.4g", loss); }

std::string ShowSparsity(double sparsity) { return absl::StrFormat("%.4f", sparsity); }

std::string ShowTime(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%SZ", FromProto(time), absl::UTCTimeZone());
}

absl::string_view LastSegment(absl::string_view name) {
  const size_t slash = name.rfind('/');
  return slash == absl::string_view::npos ? name : name.substr(slash + 1);
}

std::string OneLine(absl::string_view text) {
  std::string line(text);
  for (char& c : line) c = absl::ascii_iscntrl(static_cast<unsigned char>(c)) ? ' ' : c;
  return std::string(absl::StripAsciiWhitespace(line));
}

std::string Shorten(absl::string_view text, int width) {
  if (Width(text) <= width) return std::string(text);
  const int keep = std::max(0, width - 3);
  size_t end = 0;
  for (int seen = 0; end < text.size(); ++end) {
    if (!IsContinuation(text[end]) && seen++ == keep) break;
  }
  return absl::StrCat(text.substr(0, end), std::string(static_cast<size_t>(std::min(3, std::max(0, width))), '.'));
}

std::string Pad(absl::string_view text, int width) {
  return absl::StrCat(text, std::string(static_cast<size_t>(std::max(0, width - Width(text))), ' '));
}

std::string FormatTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<int> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string table;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) absl::StrAppend(&line, i > 0 ? "  " : "", Pad(row[i], widths[i]));
    absl::StrAppend(&table, absl::StripTrailingAsciiWhitespace(line), "\n");
  }
  return table;
}

std::string FormatFacts(const std::vector<std::pair<std::string, std::string>>& facts) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : facts) {
    if (!value.empty()) rows.push_back({absl::StrCat(name, ":"), value});
  }
  return FormatTable(rows);
}

}  // namespace besa::client
