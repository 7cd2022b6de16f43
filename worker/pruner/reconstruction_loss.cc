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

LossAndGradient ReconstructionLoss(const at::Tensor& y, const at::Tensor& reference) {
  const at::TensorOptions accumulator = y.options().dtype(AccumulatorType(y.scalar_type()));
  const at::Tensor scratch = at::empty({3, y.size(-1)}, accumulator);
  const at::Tensor loss = at::empty({}, accumulator);
  Check(kernels::ReconstructionLoss(DeviceOf(y), MatrixOf(y), MatrixOf(reference), scratch.data_ptr(), loss.data_ptr(),
                                    MatrixOf(y)));
  return {loss, y};
}

void LossSum::Add(const at::Tensor& y, const at::Tensor& reference) {
  const at::Tensor error = Energy(Difference(y, reference)).to(at::kDouble);
  const at::Tensor energy = Energy(reference).to(at::kDouble);
  error_ = error_.defined() ? error_.add(error) : error;
  energy_ = energy_.defined() ? energy_.add(energy) : energy;
}

double LossSum::Loss() const { return error_.mul(ChannelWeight(energy_)).sum().item<double>(); }

}  // namespace besa::pruner
