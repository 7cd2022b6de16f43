#include "worker/pruner/reconstruction_loss.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "worker/kernels/block_kernels.h"
#include "worker/pruner/rms_norm.h"
#include "worker/pruner/tensor_kernels.h"
#include "worker/pruner/tensor_view.h"

namespace besa::pruner {
namespace {

// Sum over tokens of x^2 of each channel. By a kernel of ours: LibTorch's reduction over rows is many times slower on a
// CPU.
at::Tensor Energy(const at::Tensor& x) {
  at::Tensor sums = at::zeros({x.size(-1)}, x.options().dtype(AccumulatorType(x.scalar_type())));
  AddColumnSquares(x.flatten(0, 1), sums);
  return sums;
}

// 1 / (energy * number of channels that count); 0 for channels that do not.
at::Tensor ChannelWeight(const at::Tensor& energy) {
  const at::Tensor counts = energy.gt(0.0);
  const at::Tensor channels = counts.sum().clamp_min(1).to(energy.scalar_type());
  return at::where(counts, energy.mul(channels).reciprocal_(), at::zeros({}, energy.options()));
}

at::Tensor Difference(const at::Tensor& y, const at::Tensor& reference) {
  return at::sub(y.to(AccumulatorType(y.scalar_type())), reference);
}

}  // namespace

LossAndGradient ReconstructionLoss(const at::Tensor& y, const at::Tensor& reference, RankGroup& ranks) {
  const at::TensorOptions accumulator = y.options().dtype(AccumulatorType(y.scalar_type()));
  const at::Tensor sums = at::empty({2, y.size(-1)}, accumulator);
  const at::Tensor weight = at::empty({y.size(-1)}, accumulator);
  const at::Tensor loss = at::empty({}, accumulator);
  Check(kernels::ReconstructionSums(DeviceOf(y), MatrixOf(y), MatrixOf(reference), sums.data_ptr()));
  ranks.AllReduceSum(sums);
  Check(kernels::ReconstructionGradient(DeviceOf(y), MatrixOf(y), MatrixOf(reference), sums.data_ptr(),
                                        weight.data_ptr(), loss.data_ptr(), MatrixOf(y)));
  return {loss, y};
}

LossSum::LossSum(int64_t hidden, at::Device device)
    : sums_(at::zeros({2, hidden}, at::TensorOptions(device).dtype(at::kDouble))) {}

void LossSum::Add(const at::Tensor& y, const at::Tensor& reference) {
  sums_.select(0, 0).add_(Energy(Difference(y, reference)));
  sums_.select(0, 1).add_(Energy(reference));
}

double LossSum::Loss(RankGroup& ranks) const {
  ranks.AllReduceSum(sums_);
  return sums_.select(0, 0).mul(ChannelWeight(sums_.select(0, 1))).sum().item<double>();
}

}  // namespace besa::pruner
