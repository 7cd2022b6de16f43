#include <atomic>
#include <cmath>

#include "worker/kernels/cpu_parallel.h"
#include "worker/kernels/element.h"
#include "worker/kernels/twins.h"

namespace besa::kernels::cpu {
namespace {

template <typename Predicate>
int64_t Count(const Device& device, const ConstMatrix& matrix, const Predicate& predicate) {
  std::atomic<int64_t> count = 0;
  internal::VisitElement(matrix.type, [&]<typename T>(T) {
    const auto* data = static_cast<const T*>(matrix.data);
    Parallel(device, matrix.rows * matrix.cols, 1, [&](int64_t begin, int64_t end) {
      int64_t found = 0;
      for (int64_t i = begin; i < end; ++i) found += predicate(internal::ElementTraits<T>::Load(data[i]));
      count += found;
    });
  });
  return count;
}

}  // namespace

int64_t CountZeros(const Device& device, const ConstMatrix& matrix) {
  return Count(device, matrix, [](auto value) { return value == 0; });
}

int64_t CountNonFinite(const Device& device, const ConstMatrix& matrix) {
  return Count(device, matrix, [](auto value) { return !std::isfinite(value); });
}

}  // namespace besa::kernels::cpu
