#include <algorithm>

#include "worker/kernels/cpu_parallel.h"
#include "worker/kernels/element.h"
#include "worker/kernels/twins.h"

namespace besa::kernels::cpu {

void WriteMasked(const Device& device, const ConstMatrix& weight, const uint16_t* order, const int32_t* k,
                 const Matrix& out) {
  internal::VisitElement(weight.type, [&]<typename T>(T) {
    const int64_t cols = weight.cols;
    Parallel(device, weight.rows, cols, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T* from = static_cast<const T*>(weight.data) + r * cols;
        T* to = static_cast<T*>(out.data) + r * cols;
        if (from != to) std::copy_n(from, cols, to);
        const int64_t removed = std::min<int64_t>(k[r], cols);
        for (int64_t j = 0; j < removed; ++j) to[order[r * cols + j]] = T{};
      }
    });
  });
}

void UpdateMasked(const Device& device, const ConstMatrix& weight, const uint16_t* order, const int32_t* k,
                  int32_t* k_before, const Matrix& out) {
  internal::VisitElement(weight.type, [&]<typename T>(T) {
    const int64_t cols = weight.cols;
    Parallel(device, weight.rows, cols, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T* from = static_cast<const T*>(weight.data) + r * cols;
        T* to = static_cast<T*>(out.data) + r * cols;
        const uint16_t* columns = order + r * cols;
        const int64_t removed = std::clamp<int64_t>(k[r], 0, cols);
        int64_t before = std::min<int64_t>(k_before[r], cols);
        if (before < 0) {
          std::copy_n(from, cols, to);
          before = 0;
        }
        for (int64_t j = before; j < removed; ++j) to[columns[j]] = T{};
        for (int64_t j = removed; j < before; ++j) to[columns[j]] = from[columns[j]];
        k_before[r] = static_cast<int32_t>(removed);
      }
    });
  });
}

}  // namespace besa::kernels::cpu
