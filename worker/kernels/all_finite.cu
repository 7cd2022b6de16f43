#include <algorithm>

#include "storage/base/status_macros.h"
#include "worker/kernels/allocation_twins.h"
#include "worker/kernels/cuda_common.cuh"

namespace besa::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = 512;
constexpr int kMaxParts = 8;

struct Parts {
  int64_t begin[kMaxParts + 1];
};

__device__ __forceinline__ bool IsGood(double value) { return isfinite(value); }
template <typename T>
__device__ __forceinline__ bool IsGood(T value) {
  return isfinite(Load(value));
}

// Whoever finds a bad number clears the flags: all write the same, so the order does not matter.
__global__ void SetFlags(int parts, bool* finite, bool* all) {
  if (static_cast<int>(threadIdx.x) < parts) finite[threadIdx.x] = true;
  if (threadIdx.x == 0) *all = true;
}

// blockIdx.y is the part. A thread reads kWidth neighbours at once.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads) ClearFlags(const T* __restrict__ x, Parts parts, bool* finite, bool* all) {
  const int part = static_cast<int>(blockIdx.y);
  const int64_t stride = int64_t{gridDim.x} * kThreads * kWidth;
  bool good = true;
  for (int64_t i = parts.begin[part] + (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth;
       i < parts.begin[part + 1]; i += stride) {
    const auto values = *reinterpret_cast<const Vector<T, kWidth>*>(x + i);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) good = good && IsGood(values.item[j]);
  }
  if (!good) {
    finite[part] = false;
    *all = false;
  }
}

template <typename T, int kWidth>
absl::Status Run(const Device& device, const void* x, const Parts& parts, int count, bool* finite, bool* all) {
  int64_t largest = 1;
  for (int part = 0; part < count; ++part) largest = std::max(largest, parts.begin[part + 1] - parts.begin[part]);
  const int64_t blocks = std::min(kMaxBlocks, (largest / kWidth + kThreads - 1) / kThreads);
  return Launch("ClearFlags", ClearFlags<T, kWidth>, device,
                dim3(static_cast<unsigned>(std::max<int64_t>(1, blocks)), static_cast<unsigned>(count)), kThreads, 0,
                static_cast<const T*>(x), parts, finite, all);
}

template <typename T>
absl::Status Run(const Device& device, const void* x, const Parts& parts, int count, bool* finite, bool* all) {
  constexpr int kWidth = kPerVector<T>;
  const bool wide = IsAligned(x, 16) && std::all_of(parts.begin, parts.begin + count + 1,
                                                    [](int64_t begin) { return begin % kWidth == 0; });
  return wide ? Run<T, kWidth>(device, x, parts, count, finite, all) : Run<T, 1>(device, x, parts, count, finite, all);
}

}  // namespace

absl::Status AllFinite(const Device& device, ElementType type, const void* x, const int64_t* begin, int parts,
                       bool* finite, bool* all) {
  RETURN_IF_ERROR(Launch("SetFlags", SetFlags, device, int64_t{1}, 32, 0, parts, finite, all));
  Parts by_value{};
  std::copy(begin, begin + parts + 1, by_value.begin);
  if (type == ElementType::kFloat64) return Run<double>(device, x, by_value, parts, finite, all);
  return VisitElement(type, [&]<typename T>(T) { return Run<T>(device, x, by_value, parts, finite, all); });
}

}  // namespace besa::kernels::cuda
