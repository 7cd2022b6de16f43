#include <algorithm>

#include "worker/kernels/adam_twins.h"
#include "worker/kernels/cuda_common.cuh"
#include "worker/kernels/cuda_rows.cuh"

namespace besa::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = 4096;
constexpr double kPi = 3.14159265358979323846;

__global__ void Advance(AdamOptions options, const bool* apply, AdamClock* clock) {
  if (*apply) {
    const double turn = kPi * clock->position / static_cast<double>(options.steps);
    clock->beta1_power *= options.beta1;
    clock->beta2_power *= options.beta2;
    const double learning_rate = options.learning_rate * 0.5 * (1.0 + cos(turn));
    clock->rate = learning_rate / (1.0 - clock->beta1_power);
    clock->pull = learning_rate * options.decay;
    clock->inverse_root = 1.0 / sqrt(1.0 - clock->beta2_power);
  }
  clock->position += 1.0;
}

// A thread does kWidth neighbours at once.
template <typename T, int kWidth, bool kPull>
__global__ void __launch_bounds__(kThreads)
    Update(AdamOptions options, const AdamClock* __restrict__ clock, const bool* __restrict__ apply,
           const T* __restrict__ gradient, const T* __restrict__ dense, float* __restrict__ master,
           float* __restrict__ first_moment, float* __restrict__ second_moment, T* __restrict__ weight,
           int64_t elements) {
  if (!*apply) return;
  const float beta1 = static_cast<float>(options.beta1);
  const float rest1 = static_cast<float>(1.0 - options.beta1);
  const float beta2 = static_cast<float>(options.beta2);
  const float rest2 = static_cast<float>(1.0 - options.beta2);
  const float eps = static_cast<float>(options.eps);
  const float rate = static_cast<float>(clock->rate);
  const float inverse_root = static_cast<float>(clock->inverse_root);
  const float pull = static_cast<float>(clock->pull);
  const int64_t stride = int64_t{gridDim.x} * kThreads * kWidth;
  for (int64_t e = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth; e < elements; e += stride) {
    const auto g = LoadVector<T, kWidth>(gradient + e);
    auto w = LoadVector<float, kWidth>(master + e);
    auto m = LoadVector<float, kWidth>(first_moment + e);
    auto v = LoadVector<float, kWidth>(second_moment + e);
    Vector<T, kWidth> towards{};
    if constexpr (kPull) towards = LoadVector<T, kWidth>(dense + e);
    Vector<T, kWidth> rounded;
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      if (v.item[i] < 0.0f) {
        // Removed.
        w.item[i] = 0.0f;
      } else {
        const float slope = Load(g.item[i]);
        m.item[i] = beta1 * m.item[i] + rest1 * slope;
        v.item[i] = beta2 * v.item[i] + rest2 * slope * slope;
        const float way = kPull ? pull * (w.item[i] - Load(towards.item[i])) : 0.0f;
        w.item[i] -= rate * m.item[i] / (sqrtf(v.item[i]) * inverse_root + eps);
        if constexpr (kPull) w.item[i] -= way;
      }
      rounded.item[i] = Round<T>(w.item[i]);
    }
    StoreVector(master + e, w);
    StoreVector(first_moment + e, m);
    StoreVector(second_moment + e, v);
    StoreVector(weight + e, rounded);
  }
}

template <typename T, int kWidth, bool kPull>
absl::Status Run(const Device& device, const AdamOptions& options, const AdamClock* clock, const bool* apply,
                 const ConstMatrix& gradient, const ConstMatrix& dense, const AdamState& state, const Matrix& weight) {
  const int64_t elements = weight.rows * weight.cols;
  const int64_t blocks = std::min(kMaxBlocks, (elements / kWidth + kThreads - 1) / kThreads);
  return Launch("AdamStep", Update<T, kWidth, kPull>, device, std::max<int64_t>(1, blocks), kThreads, 0, options, clock,
                apply, static_cast<const T*>(gradient.data), static_cast<const T*>(dense.data),
                static_cast<float*>(state.master), static_cast<float*>(state.first_moment),
                static_cast<float*>(state.second_moment), static_cast<T*>(weight.data), elements);
}

}  // namespace

absl::Status AdamAdvance(const Device& device, const AdamOptions& options, const bool* apply, AdamClock* clock) {
  return Launch("AdamAdvance", Advance, device, int64_t{1}, 1, 0, options, apply, clock);
}

absl::Status AdamStep(const Device& device, const AdamOptions& options, const AdamClock* clock, const bool* apply,
                      const ConstMatrix& gradient, const ConstMatrix& dense, const AdamState& state,
                      const Matrix& weight) {
  return VisitElement(weight.type, [&]<typename T>(T) {
    // Of the states 16 bytes at once.
    constexpr int kWidth = 4;
    const bool pull = options.decay != 0.0;
    const bool wide = weight.rows * weight.cols % kWidth == 0 && IsAligned(gradient.data, kWidth * sizeof(T)) &&
                      (!pull || IsAligned(dense.data, kWidth * sizeof(T))) &&
                      IsAligned(weight.data, kWidth * sizeof(T)) && IsAligned(state.master, 16) &&
                      IsAligned(state.first_moment, 16) && IsAligned(state.second_moment, 16);
    const auto run = [&](auto width, auto pulls) {
      return Run<T, width, pulls>(device, options, clock, apply, gradient, dense, state, weight);
    };
    constexpr std::integral_constant<int, kWidth> kWide;
    constexpr std::integral_constant<int, 1> kNarrow;
    if (pull) return wide ? run(kWide, std::true_type()) : run(kNarrow, std::true_type());
    return wide ? run(kWide, std::false_type()) : run(kNarrow, std::false_type());
  });
}

}  // namespace besa::kernels::cuda
