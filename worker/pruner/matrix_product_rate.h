// What the device can do at best: the yardstick of every other speed.
#pragma once

#include "absl/status/statusor.h"
#include "storage/base/clock.h"
#include "worker/pruner/compute_device.h"

namespace besa::pruner {

// See Engine::MatrixProductRate.
absl::StatusOr<double> MeasureMatrixProducts(const ComputeDevice& device, const Clock& clock);

}  // namespace besa::pruner
