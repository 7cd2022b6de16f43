#include "worker/kernels/cuda_common.cuh"
#include "worker/kernels/kernels.h"
#include "worker/kernels/twins.h"

namespace besa::kernels::cuda {
namespace {

// n_d in 32 bits, which is much cheaper here.
__device__ __forceinline__ int Candidate(int cols, int d) {
  return static_cast<int>(static_cast<unsigned>(cols) * static_cast<unsigned>(100 - d) / 100u);
}

// One block does one row. The products gradient * weight are staged in shared memory, read as wide as possible; then
// groups of kGroup lanes of a warp take one bin each: lane l adds ranks l, l + kGroup, ... of the bin's interval up in
// order, and the kGroup sums are added as a tree. Rows too long for shared memory fetch each product from global
// memory; the order of additions is the same.
template <typename T, int kWidth, int kGroup, bool kStaged>
__global__ void HistogramRow(const T* __restrict__ weight, const T* __restrict__ gradient,
                             const uint16_t* __restrict__ order, int cols, float* __restrict__ h) {
  extern __shared__ __align__(16) float products[];
  const int64_t row = int64_t{blockIdx.x} * cols;
  weight += row;
  gradient += row;
  order += row;
  h += int64_t{blockIdx.x} * kCandidates;
  const int threads = static_cast<int>(blockDim.x);

  if (kStaged) {
#pragma unroll 2
    for (int c = static_cast<int>(threadIdx.x) * kWidth; c < cols; c += threads * kWidth) {
      const auto w = *reinterpret_cast<const Vector<T, kWidth>*>(weight + c);
      const auto g = *reinterpret_cast<const Vector<T, kWidth>*>(gradient + c);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) products[c + i] = __fmul_rn(Load(w.item[i]), Load(g.item[i]));
    }
    __syncthreads();
  }

  const int lane = threadIdx.x % kGroup;
  const int groups = threads / kGroup;
  // Whole warps go round together: groups beyond the last bin have an empty interval.
  for (int first = 0; first < kCandidates; first += groups) {
    const int d = first + static_cast<int>(threadIdx.x) / kGroup;
    const int begin = d + 1 < kCandidates ? Candidate(cols, d + 1) : 0;
    const int end = d + 1 < kCandidates ? Candidate(cols, d) : 0;
    float sum = 0.0f;
#pragma unroll 4
    for (int j = begin + lane; j < end; j += kGroup) {
      const int c = order[j];
      sum = __fadd_rn(sum, kStaged ? products[c] : __fmul_rn(Load(weight[c]), Load(gradient[c])));
    }
#pragma unroll
    for (int distance = kGroup / 2; distance > 0; distance /= 2) {
      sum = __fadd_rn(sum, __shfl_xor_sync(kFullWarp, sum, distance));
    }
    if (lane == 0 && d < kCandidates) h[d] = sum;
  }
}

template <typename T, int kWidth, int kGroup>
absl::Status Run(const Device& device, const ConstMatrix& weight, const ConstMatrix& gradient, const uint16_t* order,
                 int threads, void* h) {
  const int cols = static_cast<int>(weight.cols);
  const size_t shared = cols * sizeof(float);
  const auto launch = [&](auto kernel, size_t bytes) {
    return Launch("HistogramRow", kernel, device, weight.rows, threads, bytes, static_cast<const T*>(weight.data),
                  static_cast<const T*>(gradient.data), order, cols, static_cast<float*>(h));
  };
  if (shared <= MaxSharedMemory()) return launch(HistogramRow<T, kWidth, kGroup, true>, shared);
  return launch(HistogramRow<T, kWidth, kGroup, false>, 0);
}

template <typename T, int kWidth>
absl::Status RunByLength(const Device& device, const ConstMatrix& weight, const ConstMatrix& gradient,
                         const uint16_t* order, void* h) {
  // Short bins would leave most of a warp without work. Measured on an H100: docs/benchmarks.md.
  if (weight.cols <= 1024) return Run<T, kWidth, 4>(device, weight, gradient, order, 128, h);
  if (weight.cols <= 4096) return Run<T, kWidth, 4>(device, weight, gradient, order, 256, h);
  if (weight.cols <= 16384) return Run<T, kWidth, 8>(device, weight, gradient, order, 512, h);
  return Run<T, kWidth, 32>(device, weight, gradient, order, 512, h);
}

}  // namespace

absl::Status BucketHistogram(const Device& device, const ConstMatrix& weight, const ConstMatrix& gradient,
                             const uint16_t* order, void* h) {
  return VisitElement(weight.type, [&]<typename T>(T) {
    constexpr int kWidth = kPerVector<T>;
    const bool wide = weight.cols % kWidth == 0 && IsAligned(weight.data, 16) && IsAligned(gradient.data, 16);
    return wide ? RunByLength<T, kWidth>(device, weight, gradient, order, h)
                : RunByLength<T, 1>(device, weight, gradient, order, h);
  });
}

}  // namespace besa::kernels::cuda
