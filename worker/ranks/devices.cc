#include "worker/ranks/devices.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "storage/base/error_info.h"

namespace besa::worker {

absl::StatusOr<std::vector<std::string>> RankDevices(absl::string_view device, int ranks) {
  std::vector<std::string> devices = absl::StrSplit(device, ',');
  if (devices.size() > 1) {
    if (ranks != 0 && ranks != static_cast<int>(devices.size())) {
      return FieldError("--ranks", absl::StrCat(ranks), absl::StrCat(devices.size(), ", as many as --device lists"));
    }
    for (const std::string& one : devices) {
      if (std::ranges::count(devices, one) > 1 && one != "cpu") {
        return FieldError("--device", device, "each GPU once: every rank needs one of its own");
      }
    }
    return devices;
  }
  absl::string_view index = device;
  int first = 0;
  const bool cuda = absl::ConsumePrefix(&index, "cuda:") && absl::SimpleAtoi(index, &first);
  for (int rank = 1; rank < ranks; ++rank) {
    devices.push_back(cuda ? absl::StrCat("cuda:", first + rank) : std::string(device));
  }
  return devices;
}

}  // namespace besa::worker
