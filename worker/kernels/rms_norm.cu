#include "worker/kernels/block_twins.h"
#include "worker/kernels/cuda_common.cuh"
#include "worker/kernels/cuda_rows.cuh"

namespace besa::kernels::cuda {
namespace {

// What a kernel works on: rows of a matrix with `heads` stretches of `features` each, block (token, head).
template <typename T>
struct Stretch {
  T* data;
  int64_t stride;

  __device__ __forceinline__ T* At(int heads, int features) const {
    return data + int64_t{blockIdx.x} / heads * stride + int64_t{blockIdx.x} % heads * features;
  }
};

// One block normalises one stretch, which stays in registers between its sum of squares and its scaling.
template <typename T, int kWidth>
__global__ void __launch_bounds__(RowItems<T, kWidth>::kMaxThreads)
    NormStretch(Stretch<const T> x_rows, const T* __restrict__ weight, float eps, int heads, int features,
                Stretch<T> y_rows, float* __restrict__ inverse_rms) {
  const T* x = x_rows.At(heads, features);
  T* y = y_rows.At(heads, features);
  weight += int64_t{blockIdx.x} % heads * features;
  float squares = 0.0f;
  RowItems<T, kWidth> items;
  items.Each(features, [&](int i, int c) {
    items.held[i] = LoadVector<T, kWidth>(x + c);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) squares = fmaf(Load(items.held[i].item[j]), Load(items.held[i].item[j]), squares);
  });
  const float r = rsqrtf(BlockSum(squares) / static_cast<float>(features) + eps);
  if (threadIdx.x == 0 && inverse_rms != nullptr) inverse_rms[blockIdx.x] = r;
  items.Each(features, [&](int i, int c) {
    const auto scale = LoadVector<T, kWidth>(weight + c);
    Vector<T, kWidth> result;
#pragma unroll
    for (int j = 0; j < kWidth; ++j) {
      result.item[j] = Round<T>(Load(items.held[i].item[j]) * r * Load(scale.item[j]));
    }
    StoreVector(y + c, result);
  });
}

// gradient_x may be gradient_y: a thread has read what it overwrites.
template <typename T, int kWidth, bool kAdd>
__global__ void __launch_bounds__(RowItems<T, kWidth>::kMaxThreads)
    NormStretchBackward(Stretch<const T> gradient_y_rows, Stretch<const T> x_rows, const T* __restrict__ weight,
                        const float* __restrict__ inverse_rms, int heads, int features, Stretch<T> gradient_x_rows) {
  const T* gradient_y = gradient_y_rows.At(heads, features);
  const T* x = x_rows.At(heads, features);
  T* gradient_x = gradient_x_rows.At(heads, features);
  weight += int64_t{blockIdx.x} % heads * features;
  RowItems<T, kWidth> inputs;
  RowItems<T, kWidth> gradients;
  float product = 0.0f;
  inputs.Each(features, [&](int i, int c) {
    inputs.held[i] = LoadVector<T, kWidth>(x + c);
    gradients.held[i] = LoadVector<T, kWidth>(gradient_y + c);
    const auto scale = LoadVector<T, kWidth>(weight + c);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) {
      product = fmaf(Load(gradients.held[i].item[j]) * Load(scale.item[j]), Load(inputs.held[i].item[j]), product);
    }
  });
  const float r = inverse_rms[blockIdx.x];
  const float along_x = BlockSum(product) / static_cast<float>(features) * r * r * r;
  inputs.Each(features, [&](int i, int c) {
    const auto scale = LoadVector<T, kWidth>(weight + c);
    Vector<T, kWidth> sum;
    if (kAdd) sum = LoadVector<T, kWidth>(gradient_x + c);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) {
      const float through = Load(gradients.held[i].item[j]) * Load(scale.item[j]) * r;
      const float result = through - Load(inputs.held[i].item[j]) * along_x;
      sum.item[j] = Round<T>(kAdd ? Load(sum.item[j]) + result : result);
    }
    StoreVector(gradient_x + c, sum);
  });
}

// Calls launch with the widest vectors that `features` and the pointers allow. Rows too long to be held by one block
// (RowItems) are refused.
template <typename T, typename LaunchWith>
absl::Status ByWidth(int64_t features, bool aligned, const LaunchWith& launch) {
  constexpr int kWidth = kPerVector<T>;
  if (features % kWidth == 0 && aligned && features <= RowItems<T, kWidth>::kMaxFeatures) {
    return launch(std::integral_constant<int, kWidth>());
  }
  if (features <= RowItems<T, 1>::kMaxFeatures) return launch(std::integral_constant<int, 1>());
  return absl::InvalidArgumentError(
      "RmsNorm on CUDA takes rows of at most " + std::to_string(RowItems<T, kWidth>::kMaxFeatures) +
      " features (a multiple of 16 bytes), and else of " + std::to_string(RowItems<T, 1>::kMaxFeatures));
}

template <typename T>
bool Aligned(const ConstMatrix& matrix) {
  return IsAligned(matrix.data, 16) && matrix.cols % kPerVector<T> == 0;
}

template <typename T>
Stretch<const T> Rows(const ConstMatrix& matrix) {
  return {static_cast<const T*>(matrix.data), matrix.cols};
}

}  // namespace

absl::Status RmsNorm(const Device& device, const ConstMatrix& x, const ConstMatrix& weight, double eps, const Matrix& y,
                     void* inverse_rms) {
  const int64_t features = weight.cols;
  return VisitElement(x.type, [&]<typename T>(T) {
    const bool aligned = Aligned<T>(x) && Aligned<T>(weight) && Aligned<T>(y);
    return ByWidth<T>(features, aligned, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      return Launch("NormStretch", NormStretch<T, kWidth>, device, x.rows * weight.rows,
                    RowItems<T, kWidth>::Threads(features), 0, Rows<T>(x), static_cast<const T*>(weight.data),
                    static_cast<float>(eps), static_cast<int>(weight.rows), static_cast<int>(features),
                    Stretch<T>{static_cast<T*>(y.data), y.cols}, static_cast<float*>(inverse_rms));
    });
  });
}

absl::Status RmsNormBackward(const Device& device, const ConstMatrix& gradient_y, const ConstMatrix& x,
                             const ConstMatrix& weight, const void* inverse_rms, const Matrix& gradient_x,
                             Store store) {
  const int64_t features = weight.cols;
  return VisitElement(x.type, [&]<typename T>(T) {
    const bool aligned = Aligned<T>(x) && Aligned<T>(weight) && Aligned<T>(gradient_y) && Aligned<T>(gradient_x);
    return ByWidth<T>(features, aligned, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      const auto kernel =
          store == Store::kAdd ? NormStretchBackward<T, kWidth, true> : NormStretchBackward<T, kWidth, false>;
      return Launch("NormStretchBackward", kernel, device, x.rows * weight.rows, RowItems<T, kWidth>::Threads(features),
                    0, Rows<T>(gradient_y), Rows<T>(x), static_cast<const T*>(weight.data),
                    static_cast<const float*>(inverse_rms), static_cast<int>(weight.rows), static_cast<int>(features),
                    Stretch<T>{static_cast<T*>(gradient_x.data), gradient_x.cols});
    });
  });
}

}  // namespace besa::kernels::cuda
