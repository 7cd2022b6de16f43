// Which device an estimate is for: as asked, or as the fleet has it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "besa/v1/fleet_service.pb.h"
#include "server/estimate/measured_profile.h"

namespace besa::server {

struct DeviceChoice {
  // What measurements are looked for, the likeliest first.
  std::vector<DeviceClass> classes;
  // What cost::KnownDevice is asked where none of them was measured.
  std::string kind;
  // Workers that are connected and take tasks.
  int32_t connected = 0;
  // Memory of the largest of them with the first class; 0 if there is none.
  int64_t memory_bytes = 0;
  // What the user should know of the choice, a sentence each.
  std::vector<std::string> basis;
};

// `kind` as EstimateJobRequest.device_kind. An empty one means the device that most of the connected workers have; the
// choice has no class if there is none. `compute` as MethodSpec.compute_type.
DeviceChoice ChooseDevice(const std::vector<v1::Worker>& workers, absl::string_view kind, v1::ComputeType compute);

}  // namespace besa::server
