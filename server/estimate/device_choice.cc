#include "server/estimate/device_choice.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace besa::server {
namespace {

constexpr char kCpu[] = "cpu";

bool TakesTasks(const v1::Worker& worker) { return worker.state() != v1::WORKER_STATE_LOST && !worker.draining(); }

bool IsCuda(const v1::Device& device) { return absl::StartsWith(device.id(), "cuda"); }

// Whether a worker's device is one of the kind: "cpu", "h200", or its model.
bool IsOfKind(const v1::Device& device, absl::string_view kind) {
  if (kind.empty() || device.model() == kind) return true;
  const std::string lower = absl::AsciiStrToLower(kind);
  if (lower == kCpu) return !IsCuda(device);
  return IsCuda(device) && absl::StrContains(absl::AsciiStrToLower(device.model()), lower);
}

DeviceClass ClassOf(const v1::Device& device, v1::ComputeType compute) {
  const bool cuda = IsCuda(device);
  const bool bfloat16 = compute == v1::COMPUTE_TYPE_UNSPECIFIED ? cuda : compute == v1::COMPUTE_TYPE_BFLOAT16;
  return {.model = device.model(), .cuda = cuda, .bfloat16 = bfloat16, .threads = cuda ? 0 : device.threads()};
}

}  // namespace

DeviceChoice ChooseDevice(const std::vector<v1::Worker>& workers, absl::string_view kind, v1::ComputeType compute) {
  DeviceChoice choice{.kind = std::string(kind)};
  // Devices that are alike, and how many workers have one.
  std::vector<std::pair<v1::Device, int>> fleet;
  for (const v1::Worker& worker : workers) {
    if (!TakesTasks(worker)) continue;
    ++choice.connected;
    if (!IsOfKind(worker.device(), kind)) continue;
    const auto alike = std::ranges::find_if(fleet, [&](const auto& known) {
      return known.first.model() == worker.device().model() && known.first.threads() == worker.device().threads();
    });
    if (alike == fleet.end()) {
      fleet.emplace_back(worker.device(), 1);
    } else {
      ++alike->second;
    }
  }
  std::ranges::stable_sort(fleet, std::greater<>(), [](const auto& known) { return known.second; });
  for (const auto& [device, count] : fleet) choice.classes.push_back(ClassOf(device, compute));
  if (fleet.size() > 1) {
    choice.basis.push_back(absl::StrCat("the workers differ: all are taken to be as the ", fleet[0].second,
                                        " that compute on ", fleet[0].first.model()));
  }
  if (!fleet.empty()) {
    const v1::Device& most = fleet[0].first;
    for (const v1::Worker& worker : workers) {
      if (!TakesTasks(worker) || worker.device().model() != most.model()) continue;
      choice.memory_bytes = std::max(choice.memory_bytes, worker.device().memory_bytes());
    }
    if (kind.empty()) choice.kind = IsCuda(most) ? most.model() : kCpu;
  } else if (!kind.empty()) {
    // Of workers that are gone, by the model.
    for (const bool cuda : {true, false}) {
      v1::Device device;
      device.set_id(cuda ? "cuda:0" : kCpu);
      device.set_model(std::string(kind));
      choice.classes.push_back(ClassOf(device, compute));
    }
  }
  return choice;
}

}  // namespace besa::server
