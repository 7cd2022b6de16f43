#include <vector>

#include "worker/kernels/cpu_parallel.h"
#include "worker/kernels/cpu_vector.h"
#include "worker/kernels/element.h"
#include "worker/kernels/kernels.h"
#include "worker/kernels/twins.h"

namespace besa::kernels::cpu {
namespace {

template <typename T>
BESA_FOR_EVERY_CPU void Products(const T* weight, const T* gradient, int64_t cols, double* product) {
  for (int64_t c = 0; c < cols; ++c) {
    product[c] = double{internal::ElementTraits<T>::Load(weight[c])} * internal::ElementTraits<T>::Load(gradient[c]);
  }
}

// Bins have `shortest` ranks or one more: a loop of constant length is one that the CPU foresees.
template <typename Real>
void SumBins(const double* product, const uint16_t* columns, int64_t cols, Real* bins) {
  const int64_t shortest = cols / (kCandidates - 1);
  int64_t end = 0;
  bins[kCandidates - 1] = 0;
  for (int d = kCandidates - 2; d >= 0; --d) {
    const int64_t begin = end;
    end = CandidateCount(cols, d);
    double sum = 0.0;
    for (int64_t j = 0; j < shortest; ++j) sum += product[columns[begin + j]];
    if (end - begin > shortest) sum += product[columns[end - 1]];
    bins[d] = static_cast<Real>(sum);
  }
}

}  // namespace

void BucketHistogram(const Device& device, const ConstMatrix& weight, const ConstMatrix& gradient,
                     const uint16_t* order, void* h) {
  internal::VisitElement(weight.type, [&]<typename T>(T) {
    using Real = internal::AccumulatorOf<T>;
    const int64_t cols = weight.cols;
    Parallel(device, weight.rows, cols * 2, [&](int64_t begin, int64_t end) {
      std::vector<double> product(cols);
      for (int64_t r = begin; r < end; ++r) {
        Products(static_cast<const T*>(weight.data) + r * cols, static_cast<const T*>(gradient.data) + r * cols, cols,
                 product.data());
        SumBins(product.data(), order + r * cols, cols, static_cast<Real*>(h) + r * kCandidates);
      }
    });
  });
}

}  // namespace besa::kernels::cpu
