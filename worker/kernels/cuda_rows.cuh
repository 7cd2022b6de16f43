// What CUDA kernels that take a row a block share: a row in registers, sums over a block in a fixed order.
#pragma once

#include <cuda_bf16.h>

#include <algorithm>

#include "worker/kernels/cuda_common.cuh"

namespace besa::kernels::cuda {

template <typename T>
__device__ __forceinline__ T Round(float value) {
  return value;
}
template <>
__device__ __forceinline__ BFloat16 Round<BFloat16>(float value) {
  return BFloat16{__bfloat16_as_ushort(__float2bfloat16_rn(value))};
}

template <typename T, int kWidth>
__device__ __forceinline__ Vector<T, kWidth> LoadVector(const T* from) {
  return *reinterpret_cast<const Vector<T, kWidth>*>(from);
}
template <typename T, int kWidth>
__device__ __forceinline__ void StoreVector(T* to, const Vector<T, kWidth>& values) {
  *reinterpret_cast<Vector<T, kWidth>*>(to) = values;
}

// The elements of a row that a thread of the block holds: vectors thread, thread + threads, ...
template <typename T, int kWidth>
struct RowItems {
  static constexpr int kMaxThreads = 512;
  static constexpr int kItems = kWidth == 1 ? 16 : 32 / kWidth;
  static constexpr int64_t kMaxFeatures = int64_t{kMaxThreads} * kItems * kWidth;

  // Whole warps, as few as hold the row with two vectors a thread (enough loads in flight), at most kMaxThreads.
  static int Threads(int64_t features) {
    const int64_t vectors = features / kWidth;
    const int64_t wanted = (vectors + 1) / 2;
    return static_cast<int>(std::min<int64_t>(kMaxThreads, (wanted + 31) / 32 * 32));
  }

  // body(i, column of the first element) for each vector that this thread holds as held[i].
  template <typename Body>
  __device__ __forceinline__ void Each(int features, const Body& body) {
#pragma unroll
    for (int i = 0; i < kItems; ++i) {
      const int c = (static_cast<int>(threadIdx.x) + i * static_cast<int>(blockDim.x)) * kWidth;
      if (c < features) body(i, c);
    }
  }

  Vector<T, kWidth> held[kItems];
};

template <typename Number>
__device__ __forceinline__ Number WarpSum(Number value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(kFullWarp, value, distance);
  return value;
}

// The sum over all threads of the block, in every thread. Whole warps; one call a kernel and type.
template <typename Number>
__device__ __forceinline__ Number BlockSum(Number value) {
  __shared__ Number partial[32];
  const int warps = static_cast<int>(blockDim.x) / 32;
  value = WarpSum(value);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  Number sum = partial[0];
  for (int warp = 1; warp < warps; ++warp) sum += partial[warp];
  return sum;
}

}  // namespace besa::kernels::cuda
