// Which device each rank of a worker has.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace besa::worker {

// One device a rank, by what the command line says:
//   "cuda:0,cuda:2", 0     those
//   "cuda:1", 2            cuda:1 and the next: cuda:2
//   "cpu", 2               the CPU, whose threads they share
//   anything, 0            that one device
// INVALID_ARGUMENT if the number of ranks is not that of the devices listed, or a device is listed twice.
absl::StatusOr<std::vector<std::string>> RankDevices(absl::string_view device, int ranks);

}  // namespace besa::worker
