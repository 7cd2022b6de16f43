#include "storage/base/status_macros.h"
#include "worker/kernels/allocation_twins.h"
#include "worker/kernels/cuda_common.cuh"
#include "worker/kernels/cuda_rows.cuh"

namespace besa::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = 1024;

// Moments and the gradients' sum; partial[block] = (<gradient, parameters>, sum |gradient sum|).
__global__ void __launch_bounds__(kThreads)
    Moments(const double* __restrict__ gradient, const double* __restrict__ parameters, const bool* apply,
            ProdigyOptions options, ProdigyState state, int64_t count, double2* __restrict__ partial) {
  const bool move = *apply;
  const double d = *state.d;
  double progress = 0.0;
  double distance = 0.0;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads) {
    if (!move) continue;
    progress += gradient[i] * parameters[i];
    const double scaled = gradient[i] * d;
    state.first_moment[i] = options.beta1 * state.first_moment[i] + (1.0 - options.beta1) * scaled;
    state.second_moment[i] = options.beta2 * state.second_moment[i] + (1.0 - options.beta2) * scaled * scaled;
    const double sum = options.beta3 * state.gradient_sum[i] + scaled * (d / options.initial_d);
    state.gradient_sum[i] = sum;
    distance += fabs(sum);
  }
  progress = BlockSum(progress);
  __syncthreads();
  distance = BlockSum(distance);
  if (threadIdx.x == 0) partial[blockIdx.x] = make_double2(progress, distance);
}

// The next d, by one block. steps = (d of this step, d of the next).
__global__ void __launch_bounds__(kThreads)
    NextD(const double2* __restrict__ partial, int blocks, const bool* apply, ProdigyOptions options,
          ProdigyState state, double2* __restrict__ steps) {
  double progress = 0.0;
  double distance = 0.0;
  for (int i = static_cast<int>(threadIdx.x); i < blocks; i += kThreads) {
    progress += partial[i].x;
    distance += partial[i].y;
  }
  progress = BlockSum(progress);
  __syncthreads();
  distance = BlockSum(distance);
  if (threadIdx.x != 0 || !*apply) return;
  const double d = *state.d;
  // Distances are measured from the start at 0: <gradient, 0 - parameters>.
  const double numerator = options.beta3 * *state.numerator - progress * d * d / options.initial_d;
  const double estimate = distance > 0.0 ? options.d_coef * numerator / distance : 0.0;
  // d never falls. An estimate that overflowed is not taken over.
  const double next = isfinite(estimate) ? fmax(d, estimate) : d;
  *state.numerator = numerator;
  *state.d = next;
  *steps = make_double2(d, next);
}

__global__ void __launch_bounds__(kThreads)
    Move(double* __restrict__ parameters, const bool* apply, ProdigyOptions options, ProdigyState state, int64_t count,
         const double2* __restrict__ steps) {
  if (!*apply) return;
  const double2 d = *steps;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads) {
    parameters[i] -= d.x * state.first_moment[i] / (sqrt(state.second_moment[i]) + d.y * options.eps);
  }
}

int64_t Blocks(int64_t count) { return std::min(kMaxBlocks, (count + kThreads - 1) / kThreads); }

}  // namespace

int64_t ProdigyScratch() { return static_cast<int64_t>(sizeof(double2)) * (kMaxBlocks + 1); }

absl::Status ProdigyStep(const Device& device, const ProdigyOptions& options, int64_t count, double* parameters,
                         double* gradient, const bool* apply, const ProdigyState& state, void* scratch) {
  auto* steps = static_cast<double2*>(scratch);
  auto* partial = steps + 1;
  const int64_t blocks = Blocks(count);
  RETURN_IF_ERROR(Launch("Moments", Moments, device, blocks, kThreads, 0, static_cast<const double*>(gradient),
                         static_cast<const double*>(parameters), apply, options, state, count, partial));
  RETURN_IF_ERROR(Launch("NextD", NextD, device, int64_t{1}, kThreads, 0, static_cast<const double2*>(partial),
                         static_cast<int>(blocks), apply, options, state, steps));
  return Launch("Move", Move, device, blocks, kThreads, 0, parameters, apply, options, state, count,
                static_cast<const double2*>(steps));
}

}  // namespace besa::kernels::cuda
