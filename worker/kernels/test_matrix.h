// Matrices of any element type for the tests, with values as doubles.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "worker/kernels/device.h"
#include "worker/kernels/element.h"

namespace besa::kernels {

inline std::string NameOf(ElementType type) {
  return type == ElementType::kFloat64 ? "float64" : type == ElementType::kFloat32 ? "float32" : "bfloat16";
}

class TestMatrix {
 public:
  TestMatrix(ElementType type, int64_t rows, int64_t cols)
      : type_(type), rows_(rows), cols_(cols), bytes_(rows * cols * internal::ElementSize(type)) {}

  // Normally distributed.
  static TestMatrix Random(ElementType type, int64_t rows, int64_t cols, uint32_t seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<double> normal;
    TestMatrix matrix(type, rows, cols);
    for (int64_t i = 0; i < rows * cols; ++i) matrix.Set(i, normal(generator));
    return matrix;
  }
  static TestMatrix Of(ElementType type, int64_t rows, int64_t cols, const std::vector<double>& values) {
    TestMatrix matrix(type, rows, cols);
    for (size_t i = 0; i < values.size(); ++i) matrix.Set(static_cast<int64_t>(i), values[i]);
    return matrix;
  }

  double At(int64_t index) const {
    return internal::VisitElement(type_, [&]<typename T>(T) -> double {
      T value;
      std::memcpy(&value, bytes_.data() + index * sizeof(T), sizeof(T));
      return internal::ElementTraits<T>::Load(value);
    });
  }
  double At(int64_t row, int64_t col) const { return At(row * cols_ + col); }

  // Rounds to the type; bfloat16 by dropping bits, which is as good for a test.
  void Set(int64_t index, double value) {
    internal::VisitElement(type_, [&]<typename T>(T) {
      T element;
      if constexpr (sizeof(T) == 2) {
        element.bits = static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(value)) >> 16);
      } else {
        element = static_cast<T>(value);
      }
      std::memcpy(bytes_.data() + index * sizeof(T), &element, sizeof(T));
    });
  }

  // Fills the memory with a pattern that is no answer, to see what was not written.
  void Poison() { std::fill(bytes_.begin(), bytes_.end(), std::byte{0xA5}); }

  Matrix View() { return Matrix{bytes_.data(), type_, rows_, cols_}; }
  ConstMatrix View() const { return ConstMatrix(bytes_.data(), type_, rows_, cols_); }
  const std::vector<std::byte>& bytes() const { return bytes_; }
  std::vector<std::byte>& bytes() { return bytes_; }
  void* data() { return bytes_.data(); }
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  ElementType type() const { return type_; }

 private:
  ElementType type_;
  int64_t rows_;
  int64_t cols_;
  std::vector<std::byte> bytes_;
};

// How far a result may be from the exact value of its size: a few roundings of the type.
inline double EpsilonOf(ElementType type) {
  return type == ElementType::kFloat64 ? 1e-14 : type == ElementType::kFloat32 ? 2e-6 : 5e-3;
}

inline constexpr auto kAllTypes = {ElementType::kFloat32, ElementType::kBFloat16, ElementType::kFloat64};

// A CPU device that cuts every loop into as many ranges as it may, up to `threads`, each in a thread of its own.
inline Device ThreadedCpu(int threads) {
  return Device::Cpu([threads](int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
    const int64_t size = std::max(grain, (count + threads - 1) / threads);
    std::vector<std::thread> workers;
    for (int64_t begin = 0; begin < count; begin += size) {
      workers.emplace_back(body, begin, std::min(count, begin + size));
    }
    for (std::thread& worker : workers) worker.join();
  });
}

}  // namespace besa::kernels
