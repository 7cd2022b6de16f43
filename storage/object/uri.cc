#include "storage/object/uri.h"

#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/base/utf8.h"

namespace besa::storage {
namespace {

constexpr absl::string_view kExpected =
    "an absolute path, file:///path or s3://bucket/key, without \".\" and \"..\" segments or control characters";

// Splits at slashes, skipping empty segments. False if a segment is "." or "..".
bool Split(absl::string_view path, std::vector<absl::string_view>& segments) {
  segments = absl::StrSplit(path, '/', absl::SkipEmpty());
  for (const absl::string_view segment : segments) {
    if (segment == "." || segment == "..") return false;
  }
  return true;
}

}  // namespace

Uri::Uri(std::string scheme, std::string path) : scheme_(std::move(scheme)), path_(std::move(path)) {}

absl::StatusOr<Uri> Uri::Parse(absl::string_view text, absl::string_view field) {
  // Escaped, because the text may hold anything and ends up in logs and terminals.
  const auto invalid = [&] { return FieldError(field, Printable(text), kExpected); };
  if (!IsUtf8(text) || HasControlCharacters(text)) return invalid();

  std::string scheme = "file";
  absl::string_view path = text;
  if (absl::ConsumePrefix(&path, "s3://")) {
    scheme = "s3";
    if (path.empty() || path.front() == '/') return invalid();
  } else {
    absl::ConsumePrefix(&path, "file://");
    if (path.empty() || path.front() != '/') return invalid();
  }
  std::vector<absl::string_view> segments;
  if (!Split(path, segments)) return invalid();
  return Uri(std::move(scheme), absl::StrCat(scheme == "file" ? "/" : "", absl::StrJoin(segments, "/")));
}

std::string Uri::name() const { return path_.substr(path_.rfind('/') + 1); }

absl::StatusOr<Uri> Uri::JoinUntrusted(absl::string_view relative, absl::string_view field) const {
  std::vector<absl::string_view> segments;
  if (relative.empty() || relative.front() == '/' || relative.back() == '/' || absl::StrContains(relative, "//") ||
      !IsUtf8(relative) || HasControlCharacters(relative) || !Split(relative, segments)) {
    return FieldError(field, Printable(relative),
                      "a relative path without empty, \".\" and \"..\" segments or control characters");
  }
  return Uri(scheme_, absl::StrCat(path_, absl::EndsWith(path_, "/") ? "" : "/", relative));
}

Uri Uri::Join(absl::string_view relative) const {
  auto joined = JoinUntrusted(relative, "relative");
  if (!joined.ok()) {
    std::fprintf(stderr, "Uri::Join: %s\n", std::string(joined.status().message()).c_str());
    std::abort();
  }
  return *std::move(joined);
}

bool Uri::IsWithin(const Uri& folder) const {
  if (scheme_ != folder.scheme_ || !absl::StartsWith(path_, folder.path_)) return false;
  return path_.size() == folder.path_.size() || folder.path_.back() == '/' || path_[folder.path_.size()] == '/';
}

std::string Uri::ToString() const { return absl::StrCat(scheme_, "://", path_); }

}  // namespace besa::storage
