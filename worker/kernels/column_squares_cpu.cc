#include <algorithm>
#include <array>

#include "worker/kernels/cpu_parallel.h"
#include "worker/kernels/element.h"
#include "worker/kernels/twins.h"

namespace besa::kernels::cpu {
namespace {

// Columns are cut into groups of fixed size, and each column adds its rows up in order: the threads change nothing.
constexpr int64_t kGroup = 64;

template <typename T>
void AddGroup(const T* x, int64_t rows, int64_t cols, int64_t group, internal::AccumulatorOf<T>* sums) {
  const int64_t begin = group * kGroup;
  const int64_t width = std::min(kGroup, cols - begin);
  std::array<double, kGroup> total = {};
  for (int64_t r = 0; r < rows; ++r) {
    const T* row = x + r * cols + begin;
    for (int64_t c = 0; c < width; ++c) {
      const double value = internal::ElementTraits<T>::Load(row[c]);
      total[c] += value * value;
    }
  }
  for (int64_t c = 0; c < width; ++c) sums[begin + c] += static_cast<internal::AccumulatorOf<T>>(total[c]);
}

}  // namespace

void AddColumnSquares(const Device& device, const ConstMatrix& x, void* sums) {
  internal::VisitElement(x.type, [&]<typename T>(T) {
    const auto* data = static_cast<const T*>(x.data);
    auto* out = static_cast<internal::AccumulatorOf<T>*>(sums);
    Parallel(device, (x.cols + kGroup - 1) / kGroup, x.rows * kGroup, [&](int64_t begin, int64_t end) {
      for (int64_t group = begin; group < end; ++group) AddGroup(data, x.rows, x.cols, group, out);
    });
  });
}

}  // namespace besa::kernels::cpu
