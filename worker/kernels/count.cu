#include <algorithm>

#include "storage/base/status_macros.h"
#include "worker/kernels/cuda_common.cuh"
#include "worker/kernels/twins.h"

namespace besa::kernels::cuda {
namespace {

constexpr int kThreads = 256;

enum class What { kZeros, kNonFinite };

// Integer additions: their order does not matter.
template <typename T, int kWidth, What kWhat>
__global__ void __launch_bounds__(kThreads)
    CountElements(const T* __restrict__ data, int64_t elements, unsigned long long* __restrict__ count) {
  unsigned long long found = 0;
  const int64_t stride = int64_t{gridDim.x} * kThreads * kWidth;
  for (int64_t e = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth; e < elements; e += stride) {
    const auto values = *reinterpret_cast<const Vector<T, kWidth>*>(data + e);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      const float value = Load(values.item[i]);
      found += kWhat == What::kZeros ? value == 0.0f : !isfinite(value);
    }
  }
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) found += __shfl_xor_sync(kFullWarp, found, distance);
  if (threadIdx.x % 32 == 0 && found != 0) atomicAdd(count, found);
}

template <What kWhat>
absl::Status Count(const Device& device, const ConstMatrix& matrix, int64_t* count) {
  RETURN_IF_ERROR(
      ToStatus(cudaMemsetAsync(count, 0, sizeof(*count), static_cast<cudaStream_t>(device.stream)), "CountElements"));
  const int64_t elements = matrix.rows * matrix.cols;
  if (elements == 0) return absl::OkStatus();
  return VisitElement(matrix.type, [&]<typename T>(T) {
    constexpr int kWide = kPerVector<T>;
    const auto launch = [&](auto kernel, int width) {
      constexpr int64_t kMaxBlocks = 2048;
      const int64_t blocks = std::min<int64_t>(kMaxBlocks, (elements / width + kThreads - 1) / kThreads);
      return Launch("CountElements", kernel, device, std::max<int64_t>(1, blocks), kThreads, 0,
                    static_cast<const T*>(matrix.data), elements, reinterpret_cast<unsigned long long*>(count));
    };
    const bool wide = elements % kWide == 0 && IsAligned(matrix.data, 16);
    return wide ? launch(CountElements<T, kWide, kWhat>, kWide) : launch(CountElements<T, 1, kWhat>, 1);
  });
}

}  // namespace

absl::Status CountZeros(const Device& device, const ConstMatrix& matrix, int64_t* count) {
  return Count<What::kZeros>(device, matrix, count);
}

absl::Status CountNonFinite(const Device& device, const ConstMatrix& matrix, int64_t* count) {
  return Count<What::kNonFinite>(device, matrix, count);
}

}  // namespace besa::kernels::cuda
