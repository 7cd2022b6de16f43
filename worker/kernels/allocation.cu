// A warp has one group of rows: lane l holds candidates 4 l .. 4 l + 3, so that sums over all candidates from one on
// are a scan over lanes.
#include <cmath>
#include <limits>

#include "storage/base/status_macros.h"
#include "worker/kernels/allocation_twins.h"
#include "worker/kernels/cuda_common.cuh"
#include "worker/kernels/cuda_rows.cuh"
#include "worker/kernels/kernels.h"

namespace besa::kernels::cuda {
namespace {

constexpr int kEach = 4;
constexpr int kWarps = 8;
constexpr int kThreads = kWarps * 32;
constexpr double kRoundingSlack = 1.0 / 1024.0;
// Parts that the rows of a group are added up in, where groups have many rows.
constexpr int kRowParts = 64;

__device__ __forceinline__ double Rate(int candidate) { return (100 - candidate) / 100.0; }

// Exactly beta's distribution on the lanes of a warp; 0 beyond the last candidate. `sigmoid` as used, where there is no
// prior.
__device__ void Distribution(const double* __restrict__ beta, const double* __restrict__ prior, double (&s)[kEach],
                             double (&sigmoid)[kEach]) {
  const int first = static_cast<int>(threadIdx.x % 32) * kEach;
  double largest = -std::numeric_limits<double>::infinity();
#pragma unroll
  for (int j = 0; j < kEach; ++j) {
    const int d = first + j;
    s[j] = -std::numeric_limits<double>::infinity();
    sigmoid[j] = 0.0;
    if (d < kCandidates) {
      if (prior == nullptr) {
        sigmoid[j] = 1.0 / (1.0 + exp(-beta[d]));
        s[j] = sigmoid[j];
      } else {
        s[j] = beta[d] + prior[d];
      }
    }
    largest = fmax(largest, s[j]);
  }
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    largest = fmax(largest, __shfl_xor_sync(kFullWarp, largest, distance));
  }
  double sum = 0.0;
#pragma unroll
  for (int j = 0; j < kEach; ++j) {
    s[j] = first + j < kCandidates ? exp(s[j] - largest) : 0.0;
    sum += s[j];
  }
  const double scale = 1.0 / WarpSum(sum);
#pragma unroll
  for (int j = 0; j < kEach; ++j) s[j] *= scale;
}

// partial[block] = sum of share * rate of its groups.
__global__ void __launch_bounds__(kThreads)
    GroupRates(const double* __restrict__ beta, const double* __restrict__ prior, const double* __restrict__ share,
               int64_t groups, double* __restrict__ rate, double* __restrict__ partial) {
  const int64_t group = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  double weighted = 0.0;
  if (group < groups) {
    double s[kEach];
    double sigmoid[kEach];
    Distribution(beta + group * kCandidates, prior, s, sigmoid);
    double mean = 0.0;
#pragma unroll
    for (int j = 0; j < kEach; ++j) mean += s[j] * Rate(static_cast<int>(threadIdx.x % 32) * kEach + j);
    mean = WarpSum(mean);
    if (threadIdx.x % 32 == 0) {
      rate[group] = mean;
      weighted = mean * share[group];
    }
  }
  const double sum = BlockSum(weighted);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__device__ __forceinline__ int64_t GroupOfRow(const int32_t* __restrict__ first_row, int64_t rows, int64_t groups,
                                              int64_t row) {
  if (groups == rows) return row;
  int64_t group = 0;
  while (group + 1 < groups && first_row[group + 1] <= row) ++group;
  return group;
}

__global__ void __launch_bounds__(kThreads)
    RowCounts(const double* __restrict__ rate, const int32_t* __restrict__ first_row, const int32_t* __restrict__ cols,
              int64_t rows, int64_t groups, int32_t* __restrict__ pruned) {
  const int64_t row = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (row >= rows) return;
  const double alpha = rate[GroupOfRow(first_row, rows, groups, row)];
  // In two roundings, as everywhere else: a fused one could give another count.
  pruned[row] = static_cast<int32_t>(floor(__dadd_rn(__dmul_rn(alpha, cols[row]), kRoundingSlack)));
}

// *sum = sum of partial[0..count), by one block in a fixed order.
__global__ void __launch_bounds__(kThreads) Total(const double* __restrict__ partial, int64_t count, double* sum) {
  double mine = 0.0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) mine += partial[i];
  const double total = BlockSum(mine);
  if (threadIdx.x == 0) *sum = total;
}

// by_group[group][part][d] = sum of histogram[row][d] over the part's rows of the group.
template <typename T>
__global__ void SumRows(const T* __restrict__ histogram, const int32_t* __restrict__ first_row,
                        double* __restrict__ by_group) {
  const int group = static_cast<int>(blockIdx.y);
  const int d = static_cast<int>(threadIdx.x);
  if (d >= kCandidates) return;
  double sum = 0.0;
  for (int64_t row = first_row[group] + static_cast<int64_t>(blockIdx.x); row < first_row[group + 1];
       row += kRowParts) {
    sum += histogram[row * kCandidates + d];
  }
  by_group[(int64_t{blockIdx.y} * kRowParts + blockIdx.x) * kCandidates + d] = sum;
}

// `parts` consecutive rows of `histogram` belong to a group.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    GroupGradients(const double* __restrict__ beta, const double* __restrict__ prior, const double* __restrict__ share,
                   const double* __restrict__ block_sparsity, const T* __restrict__ histogram, int parts,
                   int64_t groups, double target, double penalty, double* __restrict__ gradient) {
  const int64_t group = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  if (group >= groups) return;
  const int lane = static_cast<int>(threadIdx.x % 32);
  double s[kEach];
  double sigmoid[kEach];
  Distribution(beta + group * kCandidates, prior, s, sigmoid);

  // after[j] = sum of h_d over d >= 4 lane + j.
  double after[kEach] = {};
  for (int part = 0; part < parts; ++part) {
#pragma unroll
    for (int j = 0; j < kEach; ++j) {
      const int d = lane * kEach + j;
      if (d < kCandidates) after[j] += static_cast<double>(histogram[(group * parts + part) * kCandidates + d]);
    }
  }
#pragma unroll
  for (int j = kEach - 2; j >= 0; --j) after[j] += after[j + 1];
  double beyond = after[0];
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const double other = __shfl_down_sync(kFullWarp, beyond, distance);
    if (lane + distance < 32) beyond += other;
  }
  beyond = __shfl_down_sync(kFullWarp, beyond, 1);
  if (lane == 31) beyond = 0.0;

  const double by_rate = 2.0 * penalty / (target * target) * (*block_sparsity - target) * share[group];
  double by_s[kEach];
  double mean = 0.0;
#pragma unroll
  for (int j = 0; j < kEach; ++j) {
    by_s[j] = by_rate * Rate(lane * kEach + j) - (after[j] + beyond);
    mean += by_s[j] * s[j];
  }
  mean = WarpSum(mean);
#pragma unroll
  for (int j = 0; j < kEach; ++j) {
    const int d = lane * kEach + j;
    if (d >= kCandidates) continue;
    double through = s[j] * (by_s[j] - mean);
    if (prior == nullptr) through *= sigmoid[j] * (1.0 - sigmoid[j]);
    gradient[group * kCandidates + d] = through;
  }
}

int64_t Blocks(int64_t groups) { return (groups + kWarps - 1) / kWarps; }

}  // namespace

int64_t AllocationScratch(const AllocationProblem& problem) {
  const int64_t by_group = problem.groups == problem.rows ? 0 : problem.groups * kRowParts * kCandidates;
  return static_cast<int64_t>(sizeof(double)) * std::max(Blocks(problem.groups), by_group);
}

absl::Status AllocationForward(const Device& device, const AllocationProblem& problem, const double* beta, double* rate,
                               int32_t* pruned, double* sparsity, void* scratch) {
  auto* partial = static_cast<double*>(scratch);
  const int64_t blocks = Blocks(problem.groups);
  RETURN_IF_ERROR(Launch("GroupRates", GroupRates, device, blocks, kThreads, 0, beta, problem.prior, problem.share,
                         problem.groups, rate, partial));
  RETURN_IF_ERROR(
      Launch("Total", Total, device, int64_t{1}, kThreads, 0, static_cast<const double*>(partial), blocks, sparsity));
  return Launch("RowCounts", RowCounts, device, (problem.rows + kThreads - 1) / kThreads, kThreads, 0,
                static_cast<const double*>(rate), problem.first_row, problem.cols, problem.rows, problem.groups,
                pruned);
}

absl::Status AllocationBackward(const Device& device, const AllocationProblem& problem, const double* beta,
                                const double* /*rate*/, const double* sparsity, const ConstMatrix& histogram,
                                double* gradient, void* scratch) {
  const auto run = [&](const auto* sums, int parts) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(sums)>>;
    return Launch("GroupGradients", GroupGradients<T>, device, Blocks(problem.groups), kThreads, 0, beta, problem.prior,
                  problem.share, sparsity, sums, parts, problem.groups, problem.sparsity, problem.penalty, gradient);
  };
  const auto* rows = static_cast<const float*>(histogram.data);
  if (problem.groups == problem.rows) return run(rows, 1);
  auto* by_group = static_cast<double*>(scratch);
  RETURN_IF_ERROR(Launch("SumRows", SumRows<float>, device, dim3(kRowParts, static_cast<unsigned>(problem.groups)), 128,
                         0, rows, problem.first_row, by_group));
  return run(static_cast<const double*>(by_group), kRowParts);
}

}  // namespace besa::kernels::cuda
