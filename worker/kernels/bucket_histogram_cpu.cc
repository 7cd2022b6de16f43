#include "worker/kernels/cpu_parallel.h"
#include "worker/kernels/element.h"
#include "worker/kernels/kernels.h"
#include "worker/kernels/twins.h"

namespace besa::kernels::cpu {

void BucketHistogram(const Device& device, const ConstMatrix& weight, const ConstMatrix& gradient,
                     const uint16_t* order, void* h) {
  internal::VisitElement(weight.type, [&]<typename T>(T) {
    using Real = internal::AccumulatorOf<T>;
    const int64_t cols = weight.cols;
    Parallel(device, weight.rows, cols * 2, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const T* w = static_cast<const T*>(weight.data) + r * cols;
        const T* g = static_cast<const T*>(gradient.data) + r * cols;
        const uint16_t* columns = order + r * cols;
        Real* bins = static_cast<Real*>(h) + r * kCandidates;
        bins[kCandidates - 1] = 0;
        for (int d = 0; d < kCandidates - 1; ++d) {
          double sum = 0.0;
          for (int64_t j = CandidateCount(cols, d + 1); j < CandidateCount(cols, d); ++j) {
            const double value = internal::ElementTraits<T>::Load(w[columns[j]]);
            sum += value * internal::ElementTraits<T>::Load(g[columns[j]]);
          }
          bins[d] = static_cast<Real>(sum);
        }
      }
    });
  });
}

}  // namespace besa::kernels::cpu
