#include "worker/kernels/cuda_common.cuh"
#include "worker/kernels/twins.h"

namespace besa::kernels::cuda {
namespace {

constexpr int kLanes = 8;
constexpr int kRowGroups = 64;

// A block owns kLanes * kWidth columns and reads all rows: group g adds rows g, g + 64, ... of its columns up in order,
// then the 64 sums are added as a tree. The order is the same for every width.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kLanes* kRowGroups)
    ColumnSquares(const T* __restrict__ x, int64_t rows, int64_t cols, float* __restrict__ sums) {
  __shared__ float partial[kRowGroups][kLanes * kWidth];
  const int lane = threadIdx.x % kLanes;
  const int group = threadIdx.x / kLanes;
  const int64_t column = (int64_t{blockIdx.x} * kLanes + lane) * kWidth;

  float total[kWidth] = {};
  if (column < cols) {
#pragma unroll 8
    for (int64_t r = group; r < rows; r += kRowGroups) {
      const auto values = *reinterpret_cast<const Vector<T, kWidth>*>(x + r * cols + column);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) total[i] = fmaf(Load(values.item[i]), Load(values.item[i]), total[i]);
    }
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) partial[group][lane * kWidth + i] = total[i];
  __syncthreads();
  for (int half = kRowGroups / 2; half > 0; half /= 2) {
    if (group < half) {
#pragma unroll
      for (int i = 0; i < kWidth; ++i) partial[group][lane * kWidth + i] += partial[group + half][lane * kWidth + i];
    }
    __syncthreads();
  }
  if (group == 0 && column < cols) {
#pragma unroll
    for (int i = 0; i < kWidth; ++i) sums[column + i] += partial[0][lane * kWidth + i];
  }
}

template <typename T, int kWidth>
absl::Status Run(const Device& device, const ConstMatrix& x, void* sums) {
  constexpr int64_t kColumns = kLanes * kWidth;
  return Launch("ColumnSquares", ColumnSquares<T, kWidth>, device, (x.cols + kColumns - 1) / kColumns,
                kLanes * kRowGroups, 0, static_cast<const T*>(x.data), x.rows, x.cols, static_cast<float*>(sums));
}

}  // namespace

absl::Status AddColumnSquares(const Device& device, const ConstMatrix& x, void* sums) {
  return VisitElement(x.type, [&]<typename T>(T) {
    const bool wide = x.cols % 4 == 0 && IsAligned(x.data, 4 * sizeof(T));
    return wide ? Run<T, 4>(device, x, sums) : Run<T, 1>(device, x, sums);
  });
}

}  // namespace besa::kernels::cuda
