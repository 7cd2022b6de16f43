#include "telemetry/trace.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace besa {
namespace {

// Version, trace id, parent id and flags, with dashes between.
constexpr size_t kLength = 55;
constexpr size_t kIdBegin = 3;
constexpr size_t kIdLength = 32;

bool IsLowerHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string Digits(const std::function<uint64_t()>& random) {
  uint64_t bits = 0;
  while (bits == 0) bits = random();
  return absl::StrCat(absl::Hex(bits, absl::kZeroPad16));
}

}  // namespace

std::string NewTraceId(const std::function<uint64_t()>& random) {
  const std::string first = Digits(random);
  return first + Digits(random);
}

std::string MakeTraceparent(absl::string_view trace_id, const std::function<uint64_t()>& random) {
  return absl::StrCat("00-", trace_id, "-", Digits(random), "-01");
}

std::string TraceIdOf(absl::string_view traceparent) {
  // Later versions may be longer and version ff is none.
  if (traceparent.size() < kLength || absl::StartsWith(traceparent, "ff")) return "";
  if (traceparent[2] != '-' || traceparent[kIdBegin + kIdLength] != '-') return "";
  const absl::string_view id = traceparent.substr(kIdBegin, kIdLength);
  if (!IsLowerHex(traceparent.substr(0, 2)) || !IsLowerHex(id)) return "";
  if (id.find_first_not_of('0') == absl::string_view::npos) return "";
  return std::string(id);
}

}  // namespace besa
