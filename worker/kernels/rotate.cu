#include "worker/kernels/block_twins.h"
#include "worker/kernels/cuda_common.cuh"
#include "worker/kernels/cuda_rows.cuh"

namespace besa::kernels::cuda {
namespace {

// One block rotates one token: a thread takes kWidth pairs (i, i + half) of a head at a time.
template <typename T, int kWidth>
__global__ void RotateToken(T* __restrict__ x, int64_t stride, int heads, int half, const float* __restrict__ cosines,
                            const float* __restrict__ sines, int length, float sign) {
  T* token = x + int64_t{blockIdx.x} * stride;
  const int64_t position = int64_t{blockIdx.x} % length * half;
  const int per_head = half / kWidth;
  for (int i = static_cast<int>(threadIdx.x); i < heads * per_head; i += static_cast<int>(blockDim.x)) {
    const int pair = i % per_head * kWidth;
    T* at = token + int64_t{i / per_head} * 2 * half + pair;
    auto first = LoadVector<T, kWidth>(at);
    auto second = LoadVector<T, kWidth>(at + half);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) {
      const float cosine = cosines[position + pair + j];
      const float sine = sign * sines[position + pair + j];
      const float a = Load(first.item[j]);
      const float b = Load(second.item[j]);
      first.item[j] = Round<T>(a * cosine - b * sine);
      second.item[j] = Round<T>(b * cosine + a * sine);
    }
    StoreVector(at, first);
    StoreVector(at + half, second);
  }
}

}  // namespace

absl::Status Rotate(const Device& device, const Matrix& x, int64_t heads, const RotaryTable& table, Rotation rotation) {
  const int64_t half = table.head_dim / 2;
  const float sign = rotation == Rotation::kForward ? 1.0f : -1.0f;
  return VisitElement(x.type, [&]<typename T>(T) {
    const auto run = [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      const int64_t work = heads * half / kWidth;
      const int threads = static_cast<int>(std::min<int64_t>(256, (work + 31) / 32 * 32));
      return Launch("RotateToken", RotateToken<T, kWidth>, device, x.rows, threads, 0, static_cast<T*>(x.data), x.cols,
                    static_cast<int>(heads), static_cast<int>(half), static_cast<const float*>(table.cos),
                    static_cast<const float*>(table.sin), static_cast<int>(table.length), sign);
    };
    constexpr int kWidth = kPerVector<T>;
    const bool wide = half % kWidth == 0 && x.cols % kWidth == 0 && IsAligned(x.data, 16);
    return wide ? run(std::integral_constant<int, kWidth>()) : run(std::integral_constant<int, 1>());
  });
}

}  // namespace besa::kernels::cuda
