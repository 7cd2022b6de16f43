#include <cmath>
#include <limits>

#include "worker/kernels/allocation_twins.h"
#include "worker/kernels/cpu_parallel.h"
#include "worker/kernels/cpu_vector.h"
#include "worker/kernels/element.h"
#include "worker/kernels/kernels.h"

namespace besa::kernels::cpu {
namespace {

// Candidates filled up to whole registers; what is added counts for nothing.
constexpr int kPadded = (kCandidates + 7) / 8 * 8;

// Rates within this much of a whole number of weights count as that number: it absorbs the softmax's rounding.
constexpr double kRoundingSlack = 1.0 / 1024.0;

// p, 0 behind the candidates.
struct Candidates {
  constexpr Candidates() {
    for (int d = 0; d < kCandidates; ++d) rate[d] = static_cast<double>(kCandidates - 1 - d) / (kCandidates - 1);
  }
  double rate[kPadded] = {};
};
constexpr Candidates kP;

// One group's softmax, not yet divided by its sum.
struct Softmax {
  // 0 behind the candidates.
  double exponential[kPadded];
  // Without a prior: sigmoid(beta).
  double sigmoid[kPadded];
  double inverse_sum;
};

BESA_INLINE double Sum(const double* padded) {
  double lane[8] = {};
  for (int d = 0; d < kPadded; d += 8) {
    for (int l = 0; l < 8; ++l) lane[l] += padded[d + l];
  }
  for (int width = 4; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) lane[l] += lane[l + width];
  }
  return lane[0];
}

BESA_INLINE double Max(const double* padded) {
  double lane[8];
  for (int l = 0; l < 8; ++l) lane[l] = padded[l];
  for (int d = 8; d < kPadded; d += 8) {
    for (int l = 0; l < 8; ++l) lane[l] = lane[l] < padded[d + l] ? padded[d + l] : lane[l];
  }
  for (int l = 1; l < 8; ++l) lane[0] = lane[0] < lane[l] ? lane[l] : lane[0];
  return lane[0];
}

BESA_INLINE void SoftmaxOf(const double* beta, const double* prior, Softmax& softmax) {
  double logit[kPadded];
  if (prior != nullptr) {
    for (int d = 0; d < kCandidates; ++d) logit[d] = beta[d] + prior[d];
  } else {
    for (int d = 0; d < kCandidates; ++d) logit[d] = softmax.sigmoid[d] = 1.0 / (1.0 + Exp(-beta[d]));
  }
  for (int d = kCandidates; d < kPadded; ++d) logit[d] = -std::numeric_limits<double>::infinity();
  const double largest = Max(logit);
  for (int d = 0; d < kPadded; ++d) softmax.exponential[d] = Exp(logit[d] - largest);
  softmax.inverse_sum = 1.0 / Sum(softmax.exponential);
}

BESA_FOR_EVERY_CPU double Rate(const double* beta, const double* prior) {
  Softmax softmax;
  SoftmaxOf(beta, prior, softmax);
  double product[kPadded];
  for (int d = 0; d < kPadded; ++d) product[d] = softmax.exponential[d] * kP.rate[d];
  return Sum(product) * softmax.inverse_sum;
}

// The gradient of one group from the sums of its rows' histograms. penalty: derivative of the penalty by the rate.
BESA_FOR_EVERY_CPU void Gradient(const double* beta, const double* prior, const double* bins, double penalty,
                                 double* gradient) {
  Softmax softmax;
  SoftmaxOf(beta, prior, softmax);
  // dL/ds_i = -sum_{d >= i} h_d, then the penalty.
  double by_share[kPadded];
  double suffix = 0.0;
  for (int d = kCandidates - 1; d >= 0; --d) {
    suffix += bins[d];
    by_share[d] = suffix;
  }
  for (int d = kCandidates; d < kPadded; ++d) by_share[d] = 0.0;
  double product[kPadded];
  for (int d = 0; d < kPadded; ++d) {
    by_share[d] = penalty * kP.rate[d] - by_share[d];
    softmax.exponential[d] *= softmax.inverse_sum;
    product[d] = by_share[d] * softmax.exponential[d];
  }
  // Through the softmax, and in the paper's parametrisation through the sigmoid.
  const double mean = Sum(product);
  if (prior != nullptr) {
    for (int d = 0; d < kCandidates; ++d) gradient[d] = (by_share[d] - mean) * softmax.exponential[d];
  } else {
    for (int d = 0; d < kCandidates; ++d) {
      gradient[d] = (by_share[d] - mean) * softmax.exponential[d] * (softmax.sigmoid[d] * (1.0 - softmax.sigmoid[d]));
    }
  }
}

template <typename Real>
BESA_FOR_EVERY_CPU void SumRows(const Real* histogram, int64_t rows, double* bins) {
  for (int d = 0; d < kCandidates; ++d) bins[d] = histogram[d];
  for (int64_t r = 1; r < rows; ++r) {
    for (int d = 0; d < kCandidates; ++d) bins[d] += histogram[r * kCandidates + d];
  }
}

}  // namespace

void AllocationForward(const Device& device, const AllocationProblem& problem, const double* beta, double* rate,
                       int32_t* pruned, double* sparsity) {
  // An exponential costs about as much as eight elements that are only read.
  Parallel(device, problem.groups, int64_t{8} * kCandidates, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g) {
      rate[g] = Rate(beta + g * kCandidates, problem.prior);
      for (int32_t r = problem.first_row[g]; r < problem.first_row[g + 1]; ++r) {
        pruned[r] = static_cast<int32_t>(std::floor(problem.cols[r] * rate[g] + kRoundingSlack));
      }
    }
  });
  *sparsity = 0.0;
  for (int64_t g = 0; g < problem.groups; ++g) *sparsity += rate[g] * problem.share[g];
}

void AllocationBackward(const Device& device, const AllocationProblem& problem, const double* beta,
                        const double* sparsity, const ConstMatrix& histogram, double* gradient) {
  const double target = problem.sparsity;
  const double penalty_by_sparsity = (*sparsity - target) * 2.0 * problem.penalty / (target * target);
  internal::VisitElement(histogram.type, [&]<typename T>(T) {
    using Real = internal::AccumulatorOf<T>;
    const auto* bins = static_cast<const Real*>(histogram.data);
    const int64_t rows_of_group = problem.rows / problem.groups;
    Parallel(device, problem.groups, (8 + rows_of_group) * kCandidates, [&](int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; ++g) {
        const int64_t first = problem.first_row[g];
        double sums[kCandidates];
        SumRows(bins + first * kCandidates, problem.first_row[g + 1] - first, sums);
        Gradient(beta + g * kCandidates, problem.prior, sums, penalty_by_sparsity * problem.share[g],
                 gradient + g * kCandidates);
      }
    });
  });
}

}  // namespace besa::kernels::cpu
