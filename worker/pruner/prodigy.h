// The Prodigy optimiser: Adam that finds its own step size d while it runs.
// Source: Mishchenko and Defazio, "Prodigy: An Expeditiously Adaptive Parameter-Free Learner" (ICML 2024), as their
// implementation has it, with lr 1, betas .9/.999, beta3 = sqrt(.999), d0 1e-6, eps 1e-8, no weight decay, no bias
// correction, no safeguard, no limit of growth. Two points of theirs that matter: the step uses the d from before it,
// and eps is multiplied by the d from after it.
#pragma once

#include <ATen/core/Tensor.h>

namespace besa::pruner {

// All state lives on the parameters' device and Step never waits for it.
class Prodigy {
 public:
  // Trains `parameters` (contiguous, float64, as Allocation has them) in place. They must be zero, which is where
  // distances are measured from. `scratch` is Allocation's.
  Prodigy(const at::Tensor& parameters, double d_coef, const at::Tensor& scratch);

  // Begins anew; the parameters must be zero again.
  void Restart();

  // One step. `apply`, a bool scalar on the device: where false, nothing changes at all. Uses up `gradient`.
  void Step(const at::Tensor& gradient, const at::Tensor& apply);

  // The step size of the next step, a float64 scalar on the device.
  const at::Tensor& d() const { return d_; }

  // Bytes of state a parameter of `element_size` bytes: two moments and the running gradient sum.
  static constexpr int kStatesPerParameter = 3;

 private:
  double d_coef_;
  at::Tensor parameters_;
  at::Tensor scratch_;
  at::Tensor first_moment_;
  at::Tensor second_moment_;
  at::Tensor gradient_sum_;
  // float64 scalars.
  at::Tensor d_;
  at::Tensor numerator_;
};

}  // namespace besa::pruner
