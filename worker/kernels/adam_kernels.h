// Adam (Kingma and Ba 2015) on what is left of a pruned matrix, for CUDA and as a CPU twin: the steps of recovery
// (docs/method.md). Threading, errors and repeatability are those of kernels.h. Scalars are in the device's memory, so
// that nobody waits for them and a step can be recorded into a graph.
//
// The weights that steps add up in are of AccumulatorType (float under bfloat16), the weights that the block computes
// with are these, rounded. A weight that was removed is known by its second moment, which is negative: kRemoved. (Not
// by being zero: a kept weight may pass through zero.) It stays +0, whatever its gradient.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "worker/kernels/device.h"

namespace besa::kernels {

struct AdamOptions {
  // Step i of `steps`, from 0, is taken with learning_rate * (1 + cos(pi * i / steps)) / 2.
  double learning_rate = 1e-3;
  int64_t steps = 1;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  // The share of the way to `dense` that a step goes, by its learning rate.
  double decay = 0.0;
};

// Where a training stands, one for all of its matrices: doubles in the device's memory. To begin: 0, 1, 1, 0, 0, 0.
struct AdamClock {
  // Steps begun.
  double position = 0.0;
  // beta1^t and beta2^t after t steps that were not skipped.
  double beta1_power = 1.0;
  double beta2_power = 1.0;
  // What the present step multiplies with: the learning rate over 1 - beta1^t, and 1 / sqrt(1 - beta2^t).
  double rate = 0.0;
  double inverse_root = 0.0;
  // The share of the way to `dense` that it goes: decay times the learning rate.
  double pull = 0.0;
};

// Begins the next step of the schedule. Where *apply is false it is a skipped one: the schedule goes on, Adam does not.
absl::Status AdamAdvance(const Device& device, const AdamOptions& options, const bool* apply, AdamClock* clock);

// Where a removed weight stands.
inline constexpr double kRemoved = -1.0;

// One matrix's state, each [rows, cols] of AccumulatorType.
struct AdamState {
  void* master = nullptr;
  void* first_moment = nullptr;
  void* second_moment = nullptr;
};

// One step with `gradient` on the master weights, and `weight` is what they round to; for every weight kept
//   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
//   w -= rate m / (sqrt(v) inverse_root + eps) + pull (w - dense)
// the last with the w before the step (Loshchilov and Hutter 2019, but towards `dense` instead of 0), and only if
// options.decay is not 0: `dense` is not read else. Where *apply is false nothing changes.
//   gradient, dense, weight  [rows, cols] of one type
absl::Status AdamStep(const Device& device, const AdamOptions& options, const AdamClock* clock, const bool* apply,
                      const ConstMatrix& gradient, const ConstMatrix& dense, const AdamState& state,
                      const Matrix& weight);

}  // namespace besa::kernels
