#include "client/cli/local_path.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace besa::client {

std::string AbsoluteUri(absl::string_view text, absl::string_view directory) {
  if (text.empty() || text.front() == '/' || absl::StrContains(text, "://")) return std::string(text);
  const auto path = std::filesystem::path(std::string(directory)) / std::string(text);
  std::string absolute = path.lexically_normal().string();
  while (absolute.size() > 1 && absolute.back() == '/') absolute.pop_back();
  return absolute;
}

std::string PlainUri(absl::string_view uri) {
  return std::string(absl::StartsWith(uri, "file:///") ? absl::ClippedSubstr(uri, sizeof("file://") - 1) : uri);
}

std::string JobName(absl::string_view text) {
  return absl::StartsWith(text, "jobs/") ? std::string(text) : absl::StrCat("jobs/", text);
}

std::string ServerTarget(absl::string_view text) {
  return absl::StrContains(text, ":") ? std::string(text) : absl::StrCat(text, ":7600");
}

}  // namespace besa::client
