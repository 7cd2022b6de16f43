#include <algorithm>
#include <cmath>

#include "worker/kernels/allocation_twins.h"
#include "worker/kernels/cpu_parallel.h"
#include "worker/kernels/cpu_vector.h"

namespace besa::kernels::cpu {
namespace {

// Parameters are cut into chunks of fixed size, whose sums are added in order: the threads change nothing.
constexpr int64_t kChunk = 4096;

int64_t Chunks(int64_t count) { return (count + kChunk - 1) / kChunk; }

// A chunk's share of <gradient, 0 - parameters> and of the norm of the running gradient sum.
struct ChunkSums {
  double progress;
  double norm;
};

BESA_FOR_EVERY_CPU ChunkSums UpdateState(const ProdigyOptions& options, double d, int64_t count,
                                         const double* parameters, const double* gradient, double* first_moment,
                                         double* second_moment, double* gradient_sum) {
  const double sum_share = d / options.initial_d;
  BESA_INDEPENDENT
  for (int64_t i = 0; i < count; ++i) {
    const double scaled = gradient[i] * d;
    first_moment[i] = first_moment[i] * options.beta1 + scaled * (1.0 - options.beta1);
    second_moment[i] = second_moment[i] * options.beta2 + scaled * scaled * (1.0 - options.beta2);
    gradient_sum[i] = gradient_sum[i] * options.beta3 + scaled * sum_share;
  }
  return {.progress = -SumInLanes<double>(count, [&](int64_t i) { return gradient[i] * parameters[i]; }),
          .norm = SumInLanes<double>(count, [&](int64_t i) { return std::abs(gradient_sum[i]); })};
}

BESA_FOR_EVERY_CPU void Update(double d, double eps, int64_t count, const double* first_moment,
                               const double* second_moment, double* parameters) {
  BESA_INDEPENDENT
  for (int64_t i = 0; i < count; ++i) {
    parameters[i] -= d * first_moment[i] / (std::sqrt(second_moment[i]) + eps);
  }
}

}  // namespace

int64_t ProdigyScratch(int64_t count) { return 2 * Chunks(count); }

void ProdigyStep(const Device& device, const ProdigyOptions& options, int64_t count, double* parameters,
                 const double* gradient, const bool* apply, const ProdigyState& state, double* scratch) {
  if (!*apply) return;
  const double d = *state.d;
  const int64_t chunks = Chunks(count);
  Parallel(device, chunks, 2 * kChunk, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t first = chunk * kChunk;
      const ChunkSums sums =
          UpdateState(options, d, std::min(kChunk, count - first), parameters + first, gradient + first,
                      state.first_moment + first, state.second_moment + first, state.gradient_sum + first);
      scratch[2 * chunk] = sums.progress;
      scratch[2 * chunk + 1] = sums.norm;
    }
  });
  double progress = 0.0;
  double norm = 0.0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    progress += scratch[2 * chunk];
    norm += scratch[2 * chunk + 1];
  }

  *state.numerator = *state.numerator * options.beta3 + progress * d * d / options.initial_d;
  const double estimate = norm > 0.0 ? *state.numerator * options.d_coef / norm : 0.0;
  // d never falls. An estimate that overflowed is not taken over.
  const double next_d = std::isfinite(estimate) ? std::max(d, estimate) : d;
  Parallel(device, chunks, 4 * kChunk, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * kChunk;
    Update(d, next_d * options.eps, std::min(end * kChunk, count) - first, state.first_moment + first,
           state.second_moment + first, parameters + first);
  });
  *state.d = next_d;
}

}  // namespace besa::kernels::cpu
