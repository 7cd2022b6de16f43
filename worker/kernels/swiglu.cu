#include "worker/kernels/block_twins.h"
#include "worker/kernels/cuda_common.cuh"
#include "worker/kernels/cuda_rows.cuh"

namespace besa::kernels::cuda {
namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ float Sigmoid(float x) { return 1.0f / (1.0f + __expf(-x)); }

// A thread does kWidth neighbours of one row; blockIdx.y is the row.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    GateRow(const T* __restrict__ gate_up, int width, T* __restrict__ activation) {
  const int c = static_cast<int>(blockIdx.x * kThreads + threadIdx.x) * kWidth;
  if (c >= width) return;
  const int64_t row = blockIdx.y;
  const auto gate = LoadVector<T, kWidth>(gate_up + row * 2 * width + c);
  const auto up = LoadVector<T, kWidth>(gate_up + row * 2 * width + width + c);
  Vector<T, kWidth> result;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    const float g = Load(gate.item[i]);
    result.item[i] = Round<T>(g * Sigmoid(g) * Load(up.item[i]));
  }
  StoreVector(activation + row * width + c, result);
}

// `gradient` may be `gate_up`: a thread has read what it overwrites.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    GateRowBackward(const T* __restrict__ gradient_activation, const T* gate_up, int width, T* gradient) {
  const int c = static_cast<int>(blockIdx.x * kThreads + threadIdx.x) * kWidth;
  if (c >= width) return;
  const int64_t row = blockIdx.y;
  const int64_t at_gate = row * 2 * width + c;
  const auto upstream = LoadVector<T, kWidth>(gradient_activation + row * width + c);
  const auto gate = LoadVector<T, kWidth>(gate_up + at_gate);
  const auto up = LoadVector<T, kWidth>(gate_up + at_gate + width);
  Vector<T, kWidth> gradient_gate;
  Vector<T, kWidth> gradient_up;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    const float g = Load(gate.item[i]);
    const float dy = Load(upstream.item[i]);
    const float s = Sigmoid(g);
    gradient_up.item[i] = Round<T>(dy * g * s);
    gradient_gate.item[i] = Round<T>(dy * Load(up.item[i]) * s * (1.0f + g * (1.0f - s)));
  }
  StoreVector(gradient + at_gate, gradient_gate);
  StoreVector(gradient + at_gate + width, gradient_up);
}

// Rows are launched in slices: a grid holds at most 65,535 in y.
template <typename Body>
absl::Status EachSlice(int64_t rows, const Body& body) {
  constexpr int64_t kSlice = 65535;
  for (int64_t first = 0; first < rows; first += kSlice) {
    if (absl::Status status = body(first, std::min(kSlice, rows - first)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

template <typename T, int kWidth>
dim3 Grid(int64_t width, int64_t rows) {
  const int64_t vectors = (width + kWidth - 1) / kWidth;
  return dim3(static_cast<unsigned>((vectors + kThreads - 1) / kThreads), static_cast<unsigned>(rows));
}

}  // namespace

absl::Status SwiGlu(const Device& device, const ConstMatrix& gate_up, const Matrix& activation) {
  const int64_t width = activation.cols;
  return VisitElement(gate_up.type, [&]<typename T>(T) {
    const auto run = [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      return EachSlice(gate_up.rows, [&](int64_t first, int64_t rows) {
        return Launch("GateRow", GateRow<T, kWidth>, device, Grid<T, kWidth>(width, rows), kThreads, 0,
                      static_cast<const T*>(gate_up.data) + first * 2 * width, static_cast<int>(width),
                      static_cast<T*>(activation.data) + first * width);
      });
    };
    constexpr int kWidth = kPerVector<T>;
    const bool wide = width % kWidth == 0 && IsAligned(gate_up.data, 16) && IsAligned(activation.data, 16);
    return wide ? run(std::integral_constant<int, kWidth>()) : run(std::integral_constant<int, 1>());
  });
}

absl::Status SwiGluBackward(const Device& device, const ConstMatrix& gradient_activation, const ConstMatrix& gate_up,
                            const Matrix& gradient_gate_up) {
  const int64_t width = gradient_activation.cols;
  return VisitElement(gate_up.type, [&]<typename T>(T) {
    const auto run = [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      return EachSlice(gate_up.rows, [&](int64_t first, int64_t rows) {
        return Launch("GateRowBackward", GateRowBackward<T, kWidth>, device, Grid<T, kWidth>(width, rows), kThreads, 0,
                      static_cast<const T*>(gradient_activation.data) + first * width,
                      static_cast<const T*>(gate_up.data) + first * 2 * width, static_cast<int>(width),
                      static_cast<T*>(gradient_gate_up.data) + first * 2 * width);
      });
    };
    constexpr int kWidth = kPerVector<T>;
    const bool wide = width % kWidth == 0 && IsAligned(gradient_activation.data, 16) && IsAligned(gate_up.data, 16) &&
                      IsAligned(gradient_gate_up.data, 16);
    return wide ? run(std::integral_constant<int, kWidth>()) : run(std::integral_constant<int, 1>());
  });
}

}  // namespace besa::kernels::cuda
