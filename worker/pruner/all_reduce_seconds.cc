#include "worker/pruner/all_reduce_seconds.h"

#include <ATen/ops/zeros.h>

namespace besa::pruner {
namespace {

constexpr int kWarmUp = 5;
constexpr int kTimes = 50;

}  // namespace

double MeasureAllReduce(RankGroup& ranks, const ComputeDevice& device, int64_t count, const Clock& clock) {
  if (&ranks == &RankGroup::Alone()) return 0.0;
  const at::Tensor x = at::zeros({count}, at::TensorOptions(device.device()).dtype(at::kFloat));
  for (int i = 0; i < kWarmUp; ++i) ranks.AllReduceSum(x);
  device.Synchronize();
  const absl::Duration begin = clock.Steady();
  for (int i = 0; i < kTimes; ++i) ranks.AllReduceSum(x);
  device.Synchronize();
  return absl::ToDoubleSeconds(clock.Steady() - begin) / kTimes;
}

}  // namespace besa::pruner
