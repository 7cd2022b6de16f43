#include "server/validation/job_fields.h"

#include <algorithm>
#include <cctype>
#include <string>

#include "absl/strings/str_cat.h"
#include "proto/time.h"
#include "storage/base/error_info.h"

namespace besa::server {
namespace {

constexpr int kHighestPriority = 100;
constexpr size_t kLongestOwner = 256;
constexpr int kMostLabels = 64;
constexpr size_t kLongestKey = 63;
constexpr size_t kLongestValue = 256;
constexpr absl::Duration kLongestTimeLimit = absl::Hours(24 * 365);

// What can be shown in a line, and stored by every database.
bool IsPrintable(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return std::iscntrl(c) != 0; });
}

bool IsKey(const std::string& key) {
  if (key.empty() || key.size() > kLongestKey || std::islower(static_cast<unsigned char>(key[0])) == 0) return false;
  return std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '_' || c == '-';
  });
}

}  // namespace

absl::Status CheckJobFields(const v1::Job& job, const Endpoints& hooks) {
  if (job.priority() < -kHighestPriority || job.priority() > kHighestPriority) {
    return FieldError("priority", absl::StrCat(job.priority()),
                      absl::StrCat("a whole number from -", kHighestPriority, " to ", kHighestPriority));
  }
  if (job.owner().size() > kLongestOwner || !IsPrintable(job.owner())) {
    return FieldError("owner", absl::StrCat("a text of ", job.owner().size(), " bytes"),
                      absl::StrCat("at most ", kLongestOwner, " bytes without control characters"));
  }
  if (job.labels_size() > kMostLabels) {
    return FieldError("labels", absl::StrCat(job.labels_size(), " labels"), absl::StrCat("at most ", kMostLabels));
  }
  for (const auto& [key, value] : job.labels()) {
    if (!IsKey(key)) {
      return FieldError("labels", key,
                        absl::StrCat("keys of at most ", kLongestKey,
                                     " characters of a-z, 0-9, _ and -, the first of them a letter"));
    }
    if (value.size() > kLongestValue || !IsPrintable(value)) {
      return FieldError(absl::StrCat("labels.", key), absl::StrCat("a text of ", value.size(), " bytes"),
                        absl::StrCat("at most ", kLongestValue, " bytes without control characters"));
    }
  }
  if (job.has_time_limit()) {
    const absl::Duration limit = FromProto(job.time_limit());
    if (limit <= absl::ZeroDuration() || limit > kLongestTimeLimit) {
      return FieldError("time_limit", absl::FormatDuration(limit), "more than 0 and at most a year");
    }
  }
  return job.has_completion_hook() ? hooks.Check(job.completion_hook().uri()).status() : absl::OkStatus();
}

}  // namespace besa::server
