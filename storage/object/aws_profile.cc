#include "storage/object/aws_profile.h"

#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace besa::storage {
namespace {

std::string FileOf(const char* variable, const char* name, const Environment& environment) {
  if (auto path = environment(variable)) return *path;
  return absl::StrCat(environment("HOME").value_or(""), "/.aws/", name);
}

// Takes the members of `[section]`; a missing file has none.
void ReadSection(const std::string& path, absl::string_view section, AwsProfile& profile) {
  const std::pair<absl::string_view, std::string*> members[] = {
      {"aws_access_key_id", &profile.access_key},    {"aws_secret_access_key", &profile.secret_key},
      {"aws_session_token", &profile.session_token}, {"region", &profile.region},
      {"endpoint_url", &profile.endpoint_url},
  };
  std::ifstream file(path);
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty() || text.front() == '#' || text.front() == ';') continue;
    if (text.front() == '[') {
      inside = text == section;
      continue;
    }
    // Indented lines belong to a nested setting of services we do not use.
    if (!inside || absl::ascii_isspace(static_cast<unsigned char>(line.front()))) continue;
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    for (const auto& [name, value] : members) {
      if (absl::StripAsciiWhitespace(parts.first) == name)
        *value = std::string(absl::StripAsciiWhitespace(parts.second));
    }
  }
}

}  // namespace

absl::StatusOr<AwsProfile> ReadAwsProfile(const std::string& name, const Environment& environment) {
  const std::string config = FileOf("AWS_CONFIG_FILE", "config", environment);
  const std::string credentials = FileOf("AWS_SHARED_CREDENTIALS_FILE", "credentials", environment);
  AwsProfile profile;
  ReadSection(config, name == "default" ? "[default]" : absl::StrCat("[profile ", name, "]"), profile);
  // Later, because its keys count where both have some.
  ReadSection(credentials, absl::StrCat("[", name, "]"), profile);
  if (profile.access_key.empty() || profile.secret_key.empty()) {
    return absl::NotFoundError(absl::StrCat("profile ", name, ": no aws_access_key_id and aws_secret_access_key in ",
                                            credentials, " or ", config));
  }
  return profile;
}

}  // namespace besa::storage
