#include <array>
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

// Where the ranks of each bin begin, from the last bin with ranks to the first; behind them, where they end.
using Bounds = std::array<int64_t, kCandidates>;

Bounds BoundsOf(int64_t cols) {
  Bounds bounds;
  for (int d = 0; d < kCandidates; ++d) bounds[d] = CandidateCount(cols, kCandidates - 1 - d);
  return bounds;
}

// Bins have as many ranks as the shortest or one more: a loop of constant length is one that the CPU foresees. Several
// bins at a time, as each addition waits for the one before in its bin.
template <typename Real>
void SumBins(const double* product, const uint16_t* columns, const Bounds& bounds, Real* bins) {
  constexpr int kAtOnce = 4;
  static_assert((kCandidates - 1) % kAtOnce == 0);
  const int64_t shortest = bounds.back() / (kCandidates - 1);
  for (int first = 0; first < kCandidates - 1; first += kAtOnce) {
    double sum[kAtOnce] = {};
    const uint16_t* bin[kAtOnce];
    for (int i = 0; i < kAtOnce; ++i) bin[i] = columns + bounds[first + i];
    for (int64_t j = 0; j < shortest; ++j) {
      for (int i = 0; i < kAtOnce; ++i) sum[i] += product[bin[i][j]];
    }
    for (int i = 0; i < kAtOnce; ++i) {
      if (bounds[first + i + 1] - bounds[first + i] > shortest) sum[i] += product[bin[i][shortest]];
      bins[kCandidates - 2 - first - i] = static_cast<Real>(sum[i]);
    }
  }
  bins[kCandidates - 1] = 0;
}

}  // namespace

void BucketHistogram(const Device& device, const ConstMatrix& weight, const ConstMatrix& gradient,
                     const uint16_t* order, void* h) {
  internal::VisitElement(weight.type, [&]<typename T>(T) {
    using Real = internal::AccumulatorOf<T>;
    const int64_t cols = weight.cols;
    const Bounds bounds = BoundsOf(cols);
    Parallel(device, weight.rows, cols * 2, [&](int64_t begin, int64_t end) {
      std::vector<double> product(cols);
      for (int64_t r = begin; r < end; ++r) {
        Products(static_cast<const T*>(weight.data) + r * cols, static_cast<const T*>(gradient.data) + r * cols, cols,
                 product.data());
        SumBins(product.data(), order + r * cols, bounds, static_cast<Real*>(h) + r * kCandidates);
      }
    });
  });
}

}  // namespace besa::kernels::cpu
