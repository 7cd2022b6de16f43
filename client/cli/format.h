// Figures and words as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/generated_enum_reflection.h"
#include "google/protobuf/timestamp.pb.h"

namespace besa::client {

// "0.4 s", "12.5 s", "3 min 05 s", "2 h 07 min". Negative counts as zero.
std::string ShowDuration(absl::Duration duration);
// "1,234,567".
std::string ShowCount(int64_t count);
// Four significant digits.
std::string ShowLoss(double loss);
// Four decimals.
std::string ShowSparsity(double sparsity);
// "2026-11-24 08:41:48Z"; "-" if unset.
std::string ShowTime(const google::protobuf::Timestamp& time);

// "prune-00003" of "jobs/j1/tasks/prune-00003".
absl::string_view LastSegment(absl::string_view name);

// Control characters, newlines among them, become blanks: other people's text must neither break a line nor command the
// terminal.
std::string OneLine(absl::string_view text);
// At most `width` characters of UTF-8, the last three of them dots if any had to go.
std::string Shorten(absl::string_view text, int width);
// `text` followed by blanks up to `width` characters.
std::string Pad(absl::string_view text, int width);

// Columns as wide as their widest cell, two blanks between, no blanks at the ends of lines. The first row is the
// heading.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

// "Name: value" lines with the values in one column. Empty values are left out.
std::string FormatFacts(const std::vector<std::pair<std::string, std::string>>& facts);

// The part of an enum value's name that tells: "PRUNING" of JOB_STATE_PRUNING. Values not known here give their number.
template <typename Enum>
std::string EnumWord(Enum value) {
  const auto* const descriptor = google::protobuf::GetEnumDescriptor<Enum>();
  const auto* const known = descriptor->FindValueByNumber(static_cast<int>(value));
  if (known == nullptr) return std::to_string(static_cast<int>(value));
  const size_t prefix = descriptor->value(0)->name().size() - std::string("UNSPECIFIED").size();
  return known->name().substr(prefix);
}

// The same as a value of a flag: "default", "out-of-memory".
template <typename Enum>
std::string EnumFlag(Enum value) {
  std::string word = absl::AsciiStrToLower(EnumWord(value));
  for (char& c : word) c = c == '_' ? '-' : c;
  return word;
}

}  // namespace besa::client
