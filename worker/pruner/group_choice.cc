#include "worker/pruner/group_choice.h"

#include <ATen/ops/full.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "cost/block_shape.h"
#include "cost/device_profile.h"
#include "cost/sharded_sweep.h"
#include "storage/base/format_bytes.h"
#include "storage/base/status_macros.h"
#include "worker/pruner/all_reduce_seconds.h"
#include "worker/pruner/matrix_product_rate.h"

namespace besa::pruner {
namespace {

// Numbers that are added up to measure how fast ranks exchange: 16 MiB in float32, about what a step of a 7B model adds
// up.
constexpr int64_t kMeasured = int64_t{1} << 22;
// On CPUs less will do, and is over sooner.
constexpr int64_t kMeasuredOnCpu = int64_t{1} << 18;

// The sum over the ranks.
double AddUp(double x, RankGroup& ranks, const ComputeDevice& device) {
  const at::Tensor sum = at::full({1}, x, at::TensorOptions(device.device()).dtype(at::kDouble));
  ranks.AllReduceSum(sum);
  return sum.item<double>();
}

// Bytes a second that a rank sends: of an all-reduce each sends 2 (N - 1) / N times what is added up.
double MeasureExchange(RankGroup& ranks, const ComputeDevice& device, const Clock& clock) {
  const int64_t count = device.device().is_cuda() ? kMeasured : kMeasuredOnCpu;
  const double seconds = AddUp(MeasureAllReduce(ranks, device, count, clock), ranks, device) / ranks.size();
  if (seconds <= 0.0) return 0.0;
  return 2.0 * (ranks.size() - 1) / ranks.size() * 4.0 * static_cast<double>(count) / seconds;
}

// What is known of this kind of device. Of one that is not known: as a known one, at the rate of its matrix products.
absl::StatusOr<cost::DeviceProfile> ProfileOf(const PruneRequest& request, RankGroup& ranks,
                                              const ComputeDevice& device, const Clock& clock) {
  const int64_t weights = cost::BlockShape::Of(*request.config, request.block).TotalWeights();
  if (!device.device().is_cuda()) {
    cost::DeviceProfile profile = *cost::KnownDevice("cpu", weights);
    const double threads = std::max(1, device.info().threads);
    for (double* rate : {&profile.forward, &profile.training, &profile.recovery}) *rate *= threads;
    return profile;
  }
  if (auto known = cost::KnownDevice(device.info().model, weights)) return *std::move(known);
  cost::DeviceProfile profile = *cost::KnownDevice("h100", weights);
  ASSIGN_OR_RETURN(const double own, MeasureMatrixProducts(device, clock));
  const double rate = AddUp(own, ranks, device) / ranks.size();
  profile.forward = profile.training = profile.recovery = rate;
  return profile;
}

}  // namespace

absl::StatusOr<GroupChoice> ChooseForGroup(const PruneRequest& request, ComputeType compute, const absl::Status& fits,
                                           RankGroup& ranks, const ComputeDevice& device, const Clock& clock,
                                           double& exchange_rate) {
  if (exchange_rate == 0.0) exchange_rate = MeasureExchange(ranks, device, clock);
  const auto fitting = static_cast<int>(AddUp(fits.ok() ? 1.0 : 0.0, ranks, device));
  ASSIGN_OR_RETURN(const cost::DeviceProfile profile, ProfileOf(request, ranks, device, clock));
  const TokenWindows& windows = *request.calibration;
  const cost::GroupSeconds seconds = cost::SecondsOfBlocks(
      *request.config, windows.windows, windows.length, request.options, compute, ranks.size(), profile, exchange_rate);
  GroupChoice choice = {.together_seconds = seconds.together, .own_blocks_seconds = seconds.sharded};
  choice.own_blocks = fitting == ranks.size() && seconds.sharded < seconds.together;
  choice.why = absl::StrFormat(
      "%d blocks would take %.3g s one after the other, and %.3g s with one for each rank, at "
      "%s/s between them",
      ranks.size(), seconds.together, seconds.sharded, FormatBytes(static_cast<int64_t>(exchange_rate)));
  if (fitting < ranks.size()) {
    absl::StrAppendFormat(&choice.why, "; one for each does not fit %d of the ranks%s%s", ranks.size() - fitting,
                          fits.ok() ? "" : ": ", fits.message());
  }
  return choice;
}

}  // namespace besa::pruner
