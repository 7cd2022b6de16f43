// The loss a block is trained on: relative squared error, each hidden channel counting alike,
//
//   mean over channels of (sum over tokens of (y - reference)^2 / sum over tokens of reference^2)
//
// A channel whose reference is zero everywhere is left out of the mean.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace besa::pruner {

struct LossAndGradient {
  // A scalar in the accumulator type.
  at::Tensor loss;
  // dL/dy, in the place of y.
  at::Tensor gradient;
};

// y and reference [batch, length, hidden]; sums run over all tokens of the batch. Overwrites y.
LossAndGradient ReconstructionLoss(const at::Tensor& y, const at::Tensor& reference);

// The same loss over many batches, added up in float64.
class LossSum {
 public:
  void Add(const at::Tensor& y, const at::Tensor& reference);
  // Waits for the device.
  double Loss() const;

 private:
  // [hidden].
  at::Tensor error_;
  at::Tensor energy_;
};

}  // namespace besa::pruner
