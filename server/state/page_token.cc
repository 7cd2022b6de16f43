#include "server/state/page_token.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

#include "storage/base/error_info.h"

namespace besa::server {
namespace {

// FNV-1a: the same in every build, so that a token outlives a restart.
uint64_t Fingerprint(absl::string_view text) {
  uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

std::string Seal(absl::string_view scope, absl::string_view position) {
  return absl::StrCat(absl::Hex(Fingerprint(absl::StrCat(scope, "\n", position)), absl::kZeroPad16));
}

}  // namespace

std::string MakePageToken(absl::string_view scope, absl::string_view position) {
  return absl::WebSafeBase64Escape(absl::StrCat(Seal(scope, position), position));
}

absl::StatusOr<std::string> ParsePageToken(absl::string_view scope, absl::string_view token) {
  if (token.empty()) return std::string();
  constexpr size_t kSealLength = 16;
  std::string text;
  if (absl::WebSafeBase64Unescape(token, &text) && text.size() > kSealLength) {
    const std::string position = text.substr(kSealLength);
    if (text.substr(0, kSealLength) == Seal(scope, position)) return position;
  }
  return FieldError("page_token", token, "next_page_token of the page before, with the other fields as they were");
}

absl::StatusOr<int32_t> CheckPageSize(int32_t asked, int32_t by_default, int32_t most) {
  if (asked < 0) return FieldError("page_size", absl::StrCat(asked), "0 or more");
  return asked == 0 ? by_default : std::min(asked, most);
}

}  // namespace besa::server
