// The loss a block is trained on: relative squared error, each hidden channel counting alike,
//
//   mean over channels of (sum over tokens of (y - reference)^2 / sum over tokens of reference^2)
//
// A channel whose reference is zero everywhere is left out of the mean.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "worker/pruner/rank_group.h"

namespace besa::pruner {

struct LossAndGradient {
  // A scalar in the accumulator type.
  at::Tensor loss;
  // dL/dy, in the place of y.
  at::Tensor gradient;
};

// y and reference [batch, length, hidden], which may be a rank's share of the batch, also none of it; sums run over all
// tokens of the whole batch. Overwrites y.
LossAndGradient ReconstructionLoss(const at::Tensor& y, const at::Tensor& reference, RankGroup& ranks);

// The same loss over many batches, added up in float64.
class LossSum {
 public:
  LossSum(int64_t hidden, at::Device device);

  void Add(const at::Tensor& y, const at::Tensor& reference);
  // Of what was added on all ranks, once. Waits for the device.
  double Loss(RankGroup& ranks) const;

 private:
  // [2, hidden]: of the errors, of the reference.
  at::Tensor sums_;
};

}  // namespace besa::pruner
