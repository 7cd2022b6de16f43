#include "worker/kernels/cuda_common.cuh"
#include "worker/kernels/kernels.h"
#include "worker/kernels/twins.h"

namespace besa::kernels::cuda {
namespace {

// One block does one row. The products gradient * weight are staged in shared memory, read as wide as possible; then
// each warp takes bins: lane l adds ranks l, l + 32, ... of the bin's interval up in order, and the 32 sums are added
// as a tree. Rows too long for shared memory fetch each product from global memory; the order of additions is the same.
template <typename T, int kWidth, bool kStaged>
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

  const int lane = threadIdx.x % 32;
  for (int d = threadIdx.x / 32; d < kCandidates; d += threads / 32) {
    const int begin = d + 1 < kCandidates ? static_cast<int>(CandidateCount(cols, d + 1)) : 0;
    const int end = static_cast<int>(CandidateCount(cols, d));
    float sum = 0.0f;
#pragma unroll 4
    for (int j = begin + lane; j < end; j += 32) {
      const int c = order[j];
      sum = __fadd_rn(sum, kStaged ? products[c] : __fmul_rn(Load(weight[c]), Load(gradient[c])));
    }
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) {
      sum = __fadd_rn(sum, __shfl_xor_sync(kFullWarp, sum, distance));
    }
    if (lane == 0) h[d] = sum;
  }
}

template <typename T, int kWidth>
absl::Status Run(const Device& device, const ConstMatrix& weight, const ConstMatrix& gradient, const uint16_t* order,
                 void* h) {
  const int cols = static_cast<int>(weight.cols);
  const int threads = cols <= 1024 ? 128 : cols <= 8192 ? 256 : cols <= 16384 ? 512 : 1024;
  const size_t shared = cols * sizeof(float);
  const auto launch = [&](auto kernel, size_t bytes) {
    return Launch("HistogramRow", kernel, device, weight.rows, threads, bytes, static_cast<const T*>(weight.data),
                  static_cast<const T*>(gradient.data), order, cols, static_cast<float*>(h));
  };
  if (shared <= MaxSharedMemory()) return launch(HistogramRow<T, kWidth, true>, shared);
  return launch(HistogramRow<T, kWidth, false>, 0);
}

}  // namespace

absl::Status BucketHistogram(const Device& device, const ConstMatrix& weight, const ConstMatrix& gradient,
                             const uint16_t* order, void* h) {
  return VisitElement(weight.type, [&]<typename T>(T) {
    constexpr int kWidth = kPerVector<T>;
    const bool wide = weight.cols % kWidth == 0 && IsAligned(weight.data, 16) && IsAligned(gradient.data, 16);
    return wide ? Run<T, kWidth>(device, weight, gradient, order, h) : Run<T, 1>(device, weight, gradient, order, h);
  });
}

}  // namespace besa::kernels::cuda
