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

constexpr int kRowsPerBlock = 8;

// One warp brings one row up to date. Rows change in few columns or none, so that most of them cost no more than
// reading two numbers.
template <typename T>
__global__ void MaskChanges(const T* __restrict__ weight, const uint16_t* __restrict__ order,
                            const int32_t* __restrict__ k, int64_t rows, int cols, int32_t* k_before, T* out) {
  const int64_t r = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / 32;
  if (r >= rows) return;
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int64_t row = r * cols;
  const int removed = max(0, min(k[r], cols));
  int before = min(k_before[r], cols);
  if (before == removed) return;

  if (before < 0) {
#pragma unroll 8
    for (int c = lane; c < cols; c += 32) out[row + c] = weight[row + c];
    before = 0;
  }
  // All lanes have read k_before, and what they have copied comes before the zeros.
  __syncwarp();
  for (int j = before + lane; j < removed; j += 32) out[row + order[row + j]] = T{};
  for (int j = removed + lane; j < before; j += 32) {
    const int64_t at = row + order[row + j];
    out[at] = weight[at];
  }
  if (lane == 0) k_before[r] = removed;
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

absl::Status UpdateMasked(const Device& device, const ConstMatrix& weight, const uint16_t* order, const int32_t* k,
                          int32_t* k_before, const Matrix& out) {
  return VisitElement(weight.type, [&]<typename T>(T) {
    const int64_t blocks = (weight.rows + kRowsPerBlock - 1) / kRowsPerBlock;
    return Launch("MaskChanges", MaskChanges<T>, device, blocks, kRowsPerBlock * 32, 0,
                  static_cast<const T*>(weight.data), order, k, weight.rows, static_cast<int>(weight.cols), k_before,
                  static_cast<T*>(out.data));
  });
}

}  // namespace besa::kernels::cuda
