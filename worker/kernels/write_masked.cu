#include "worker/kernels/cuda_common.cuh"
#include "worker/kernels/twins.h"

namespace besa::kernels::cuda {
namespace {

// One block writes one row. It marks the removed columns in shared memory, a byte each, then streams the row through:
// only the first k entries of `order` are read, and every access to W and out is as wide as it can be.
template <typename T, int kWidth>
__global__ void MaskRow(const T* weight, const uint16_t* __restrict__ order, const int32_t* __restrict__ k, int cols,
                        T* out) {
  extern __shared__ __align__(16) uint8_t removed[];
  const int64_t row = int64_t{blockIdx.x} * cols;
  const int count = min(k[blockIdx.x], cols);
  const int threads = static_cast<int>(blockDim.x);

  for (int i = threadIdx.x; i < (cols + 15) / 16; i += threads) reinterpret_cast<uint4*>(removed)[i] = uint4{};
  __syncthreads();
  for (int j = static_cast<int>(threadIdx.x) * kWidth; j < count; j += threads * kWidth) {
    const auto columns = *reinterpret_cast<const Vector<uint16_t, kWidth>*>(order + row + j);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      if (j + i < count) removed[columns.item[i]] = 1;
    }
  }
  __syncthreads();
#pragma unroll 2
  for (int c = static_cast<int>(threadIdx.x) * kWidth; c < cols; c += threads * kWidth) {
    auto values = *reinterpret_cast<const Vector<T, kWidth>*>(weight + row + c);
    const auto flags = *reinterpret_cast<const Vector<uint8_t, kWidth>*>(removed + c);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      if (flags.item[i]) values.item[i] = T{};
    }
    *reinterpret_cast<Vector<T, kWidth>*>(out + row + c) = values;
  }
}

template <typename T, int kWidth>
absl::Status Run(const Device& device, const ConstMatrix& weight, const uint16_t* order, const int32_t* k,
                 const Matrix& out) {
  const int cols = static_cast<int>(weight.cols);
  const int threads = cols <= 1024 ? 128 : cols <= 8192 ? 256 : 512;
  return Launch("MaskRow", MaskRow<T, kWidth>, device, weight.rows, threads, static_cast<size_t>(cols + 15) / 16 * 16,
                static_cast<const T*>(weight.data), order, k, cols, static_cast<T*>(out.data));
}

}  // namespace

absl::Status WriteMasked(const Device& device, const ConstMatrix& weight, const uint16_t* order, const int32_t* k,
                         const Matrix& out) {
  return VisitElement(weight.type, [&]<typename T>(T) {
    constexpr int kWidth = kPerVector<T>;
    const bool wide = weight.cols % kWidth == 0 && IsAligned(weight.data, 16) && IsAligned(out.data, 16) &&
                      IsAligned(order, kWidth * sizeof(uint16_t));
    return wide ? Run<T, kWidth>(device, weight, order, k, out) : Run<T, 1>(device, weight, order, k, out);
  });
}

}  // namespace besa::kernels::cuda
