#include <initializer_list>

#include "storage/base/status_macros.h"
#include "worker/kernels/block_twins.h"
#include "worker/kernels/cuda_common.cuh"
#include "worker/kernels/cuda_rows.cuh"

namespace besa::kernels::cuda {
namespace {

constexpr int kLanes = 8;
constexpr int kRowGroups = 64;

// As ColumnSquares (column_squares.cu), for two sums at once: error[c] = sum (y - reference)^2, energy[c] = sum
// reference^2.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kLanes* kRowGroups)
    ChannelSums(const T* __restrict__ y, const T* __restrict__ reference, int64_t rows, int64_t cols,
                float* __restrict__ error, float* __restrict__ energy) {
  __shared__ float2 partial[kRowGroups][kLanes * kWidth];
  const int lane = threadIdx.x % kLanes;
  const int group = threadIdx.x / kLanes;
  const int64_t column = (int64_t{blockIdx.x} * kLanes + lane) * kWidth;

  float2 total[kWidth] = {};
  if (column < cols) {
#pragma unroll 8
    for (int64_t r = group; r < rows; r += kRowGroups) {
      const auto is = LoadVector<T, kWidth>(y + r * cols + column);
      const auto wanted = LoadVector<T, kWidth>(reference + r * cols + column);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        const float off = Load(is.item[i]) - Load(wanted.item[i]);
        total[i].x = fmaf(off, off, total[i].x);
        total[i].y = fmaf(Load(wanted.item[i]), Load(wanted.item[i]), total[i].y);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) partial[group][lane * kWidth + i] = total[i];
  __syncthreads();
  for (int half = kRowGroups / 2; half > 0; half /= 2) {
    if (group < half) {
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        partial[group][lane * kWidth + i].x += partial[group + half][lane * kWidth + i].x;
        partial[group][lane * kWidth + i].y += partial[group + half][lane * kWidth + i].y;
      }
    }
    __syncthreads();
  }
  if (group == 0 && column < cols) {
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      error[column + i] = partial[0][lane * kWidth + i].x;
      energy[column + i] = partial[0][lane * kWidth + i].y;
    }
  }
}

constexpr int kWeightThreads = 1024;

// weight[c] = 1 / (energy[c] * channels that count), 0 for the others; loss = sum error * weight. One block.
__global__ void __launch_bounds__(kWeightThreads)
    ChannelWeights(const float* __restrict__ error, const float* __restrict__ energy, int cols,
                   float* __restrict__ weight, float* __restrict__ loss) {
  int counting = 0;
  for (int c = static_cast<int>(threadIdx.x); c < cols; c += kWeightThreads) counting += energy[c] > 0.0f;
  const float channels = static_cast<float>(max(BlockSum(counting), 1));
  float sum = 0.0f;
  for (int c = static_cast<int>(threadIdx.x); c < cols; c += kWeightThreads) {
    const float by = energy[c] > 0.0f ? 1.0f / (energy[c] * channels) : 0.0f;
    weight[c] = by;
    sum = fmaf(error[c], by, sum);
  }
  sum = BlockSum(sum);
  if (threadIdx.x == 0) *loss = sum;
}

constexpr int kThreads = 256;

// `gradient` may be `y`: a thread has read what it overwrites.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    LossGradient(const T* y, const T* __restrict__ reference, const float* __restrict__ weight, int64_t count, int cols,
                 T* gradient) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth;
  if (i >= count) return;
  const int c = static_cast<int>(i % cols);
  const auto is = LoadVector<T, kWidth>(y + i);
  const auto wanted = LoadVector<T, kWidth>(reference + i);
  Vector<T, kWidth> result;
#pragma unroll
  for (int j = 0; j < kWidth; ++j) {
    result.item[j] = Round<T>((Load(is.item[j]) - Load(wanted.item[j])) * (2.0f * weight[c + j]));
  }
  StoreVector(gradient + i, result);
}

bool IsWide(const ConstMatrix& y, int width, std::initializer_list<const void*> pointers) {
  if (y.cols % width != 0) return false;
  for (const void* pointer : pointers) {
    if (!IsAligned(pointer, 16)) return false;
  }
  return true;
}

template <typename T, int kWidth>
absl::Status Sums(const Device& device, const ConstMatrix& y, const ConstMatrix& reference, float* sums) {
  constexpr int64_t kColumns = kLanes * kWidth;
  return Launch("ChannelSums", ChannelSums<T, kWidth>, device, (y.cols + kColumns - 1) / kColumns, kLanes * kRowGroups,
                0, static_cast<const T*>(y.data), static_cast<const T*>(reference.data), y.rows, y.cols, sums,
                sums + y.cols);
}

template <typename T, int kWidth>
absl::Status Gradient(const Device& device, const ConstMatrix& y, const ConstMatrix& reference, const float* weight,
                      const Matrix& gradient) {
  const int64_t count = y.rows * y.cols;
  if (count == 0) return absl::OkStatus();
  constexpr int64_t kItems = int64_t{kThreads} * kWidth;
  return Launch("LossGradient", LossGradient<T, kWidth>, device, (count + kItems - 1) / kItems, kThreads, 0,
                static_cast<const T*>(y.data), static_cast<const T*>(reference.data), weight, count,
                static_cast<int>(y.cols), static_cast<T*>(gradient.data));
}

}  // namespace

absl::Status ReconstructionSums(const Device& device, const ConstMatrix& y, const ConstMatrix& reference, void* sums) {
  return VisitElement(y.type, [&]<typename T>(T) {
    const bool wide = IsWide(y, kPerVector<T>, {y.data, reference.data});
    auto* floats = static_cast<float*>(sums);
    return wide ? Sums<T, 4>(device, y, reference, floats) : Sums<T, 1>(device, y, reference, floats);
  });
}

absl::Status ReconstructionGradient(const Device& device, const ConstMatrix& y, const ConstMatrix& reference,
                                    const void* sums, void* weight, void* loss, const Matrix& gradient) {
  const auto* error = static_cast<const float*>(sums);
  auto* weights = static_cast<float*>(weight);
  RETURN_IF_ERROR(Launch("ChannelWeights", ChannelWeights, device, int64_t{1}, kWeightThreads, 0, error, error + y.cols,
                         static_cast<int>(y.cols), weights, static_cast<float*>(loss)));
  return VisitElement(y.type, [&]<typename T>(T) {
    constexpr int kWidth = kPerVector<T>;
    const bool wide = IsWide(y, kWidth, {y.data, reference.data, gradient.data});
    return wide ? Gradient<T, kWidth>(device, y, reference, weights, gradient)
                : Gradient<T, 1>(device, y, reference, weights, gradient);
  });
}

}  // namespace besa::kernels::cuda
