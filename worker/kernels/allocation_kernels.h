// The small half of a training step: from the allocation's logits to counts of weights to remove, from the histograms
// of kernels.h back to a gradient, and the optimiser's step. For CUDA and as a CPU twin. docs/method.md derives them.
//
// All of it is double, whatever the block computes in (docs/method.md, "The fast path", has the reason); histograms
// come as the block has them. Threading, errors and repeatability are those of kernels.h: sums run in an order that
// depends on shapes alone. Scalars are in the device's memory, so that nobody waits for them.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "worker/kernels/device.h"

namespace besa::kernels {

// Which groups of rows share logits, and what they are to reach. Pointers are to the device's memory.
struct AllocationProblem {
  int64_t rows = 0;
  // Groups in order of their rows: each row its own (groups == rows), or one a linear.
  int64_t groups = 0;
  // [groups + 1]: the first row of each group; the last entry is `rows`.
  const int32_t* first_row = nullptr;
  // [rows]: C.
  const int32_t* cols = nullptr;
  // [groups]: share of the block's weights; they add up to 1.
  const double* share = nullptr;
  // [kCandidates]: the prior's logits; null: the paper's parametrisation, softmax(sigmoid(beta)).
  const double* prior = nullptr;
  // Target sparsity S, and the weight of the penalty lambda * ((s_block - S) / S)^2.
  double sparsity = 0.5;
  double penalty = 5.0;
};

// What a step needs besides its results: bytes of scratch memory, aligned to 16 bytes, for either of the two below and
// ProdigyStep.
int64_t AllocationScratchBytes(const AllocationProblem& problem);

// beta [groups, kCandidates] ->
//   rate      [groups]: alpha
//   pruned    [rows]: floor(C * alpha + 1/1024)
//   sparsity  one: sum of share * alpha
absl::Status AllocationForward(const Device& device, const AllocationProblem& problem, const double* beta, double* rate,
                               int32_t* pruned, double* sparsity, void* scratch);

// Gradient of loss + penalty by beta, [groups, kCandidates].
//   rate, sparsity  of AllocationForward
//   histogram       [rows, kCandidates], float or double
// gradient: NaN or infinite wherever a histogram of the group was.
absl::Status AllocationBackward(const Device& device, const AllocationProblem& problem, const double* beta,
                                const double* rate, const double* sparsity, const ConstMatrix& histogram,
                                double* gradient, void* scratch);

// finite[i] = whether elements [begin[i], begin[i + 1]) of x are all finite, for i < parts; all = whether all are.
//   begin  [parts + 1], in the host's memory; parts <= 8
// Elements of any type, float64 on CUDA too.
absl::Status AllFinite(const Device& device, ElementType type, const void* x, const int64_t* begin, int parts,
                       bool* finite, bool* all);

// State of the optimiser Prodigy (Mishchenko and Defazio 2024) over `count` parameters, all zero at first but d.
struct ProdigyState {
  double* first_moment = nullptr;
  double* second_moment = nullptr;
  double* gradient_sum = nullptr;
  // One each: d, and the numerator of its estimate.
  double* d = nullptr;
  double* numerator = nullptr;
};

struct ProdigyOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double beta3 = 0.99949987493746092;  // sqrt(beta2)
  double initial_d = 1e-6;
  double eps = 1e-8;
  double d_coef = 1.0;
};

// One step on `parameters` (which started at zero: that is where distances are measured from). Where *apply is false,
// nothing changes. The step uses the d from before it, eps is multiplied by the d from after it. `gradient` is scratch
// space afterwards.
absl::Status ProdigyStep(const Device& device, const ProdigyOptions& options, int64_t count, double* parameters,
                         double* gradient, const bool* apply, const ProdigyState& state, void* scratch);

}  // namespace besa::kernels
