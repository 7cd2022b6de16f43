// Where a kernel runs, and views of the matrices it works on.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

namespace besa::kernels {

// Runs body(begin, end) over disjoint ranges that cover [0, count), none of them needlessly smaller than `grain`, and
// returns when all are done. Which thread runs which range, and where ranges are cut, changes no result of ours.
// at::parallel_for(0, count, grain, body) is one.
using ParallelFor =
    std::function<void(int64_t count, int64_t grain, const std::function<void(int64_t begin, int64_t end)>& body)>;

// A CPU with its threads, or a stream of the current CUDA device. Cheap to copy.
//
// On a CPU a kernel has finished when its function returns. On CUDA it is only queued on the stream: it neither
// allocates nor synchronises, so it can be captured into a graph, and its pointers must stay valid until it has run.
// The caller makes the stream's device the current one.
struct Device {
  static Device Cpu(ParallelFor parallel_for = nullptr) {
    Device device;
    device.parallel_for = std::move(parallel_for);
    return device;
  }
  static Device Cuda(void* stream) {
    Device device;
    device.is_cuda = true;
    device.stream = stream;
    return device;
  }

  bool is_cuda = false;
  // A cudaStream_t; null is the default stream.
  void* stream = nullptr;
  // Null runs everything in the calling thread.
  ParallelFor parallel_for;
};

// kFloat64 exists on the CPU only.
enum class ElementType { kFloat32, kBFloat16, kFloat64 };

// Row-major [rows, cols] without gaps, in the memory of the device that works on it, aligned to its element (aligned to
// 16 bytes, as allocators do, it is faster).
struct Matrix {
  void* data = nullptr;
  ElementType type = ElementType::kFloat32;
  int64_t rows = 0;
  int64_t cols = 0;
};

struct ConstMatrix {
  ConstMatrix() = default;
  ConstMatrix(const void* d, ElementType t, int64_t r, int64_t c) : data(d), type(t), rows(r), cols(c) {}
  // NOLINTNEXTLINE(google-explicit-constructor): whoever may write may read.
  ConstMatrix(const Matrix& matrix) : ConstMatrix(matrix.data, matrix.type, matrix.rows, matrix.cols) {}

  const void* data = nullptr;
  ElementType type = ElementType::kFloat32;
  int64_t rows = 0;
  int64_t cols = 0;
};

}  // namespace besa::kernels
