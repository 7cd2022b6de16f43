#include <algorithm>

#include "worker/kernels/block_twins.h"
#include "worker/kernels/cpu_parallel.h"
#include "worker/kernels/cpu_vector.h"
#include "worker/kernels/element.h"

namespace besa::kernels::cpu {
namespace {

using internal::AccumulatorOf;
using internal::ElementTraits;

// Features are cut into groups of fixed size, and each feature adds its tokens up in order: the threads change nothing.
constexpr int64_t kGroup = 64;

template <typename T>
BESA_FOR_EVERY_CPU void AddEnergies(const T* y, const T* reference, int64_t tokens, int64_t features, int64_t group,
                                    AccumulatorOf<T>* error, AccumulatorOf<T>* energy) {
  const int64_t begin = group * kGroup;
  const int64_t width = std::min(kGroup, features - begin);
  double errors[kGroup] = {};
  double energies[kGroup] = {};
  for (int64_t t = 0; t < tokens; ++t) {
    const T* from = y + t * features + begin;
    const T* to = reference + t * features + begin;
    for (int64_t f = 0; f < width; ++f) {
      const double is = ElementTraits<T>::Load(from[f]);
      const double expected = ElementTraits<T>::Load(to[f]);
      errors[f] += (is - expected) * (is - expected);
      energies[f] += expected * expected;
    }
  }
  for (int64_t f = 0; f < width; ++f) {
    error[begin + f] = static_cast<AccumulatorOf<T>>(errors[f]);
    energy[begin + f] = static_cast<AccumulatorOf<T>>(energies[f]);
  }
}

template <typename T>
BESA_FOR_EVERY_CPU void GradientOfToken(const T* y, const T* reference, const AccumulatorOf<T>* weight,
                                        int64_t features, T* gradient) {
  // The gradient may overwrite y.
  BESA_INDEPENDENT
  for (int64_t f = 0; f < features; ++f) {
    const AccumulatorOf<T> difference = ElementTraits<T>::Load(y[f]) - ElementTraits<T>::Load(reference[f]);
    gradient[f] = ElementTraits<T>::Round(2 * difference * weight[f]);
  }
}

}  // namespace

void ReconstructionSums(const Device& device, const ConstMatrix& y, const ConstMatrix& reference, void* sums) {
  internal::VisitElement(y.type, [&]<typename T>(T) {
    using Real = AccumulatorOf<T>;
    const int64_t features = y.cols;
    const auto* is = static_cast<const T*>(y.data);
    const auto* expected = static_cast<const T*>(reference.data);
    Real* error = static_cast<Real*>(sums);
    Real* energy = error + features;
    Parallel(device, (features + kGroup - 1) / kGroup, 2 * y.rows * kGroup, [&](int64_t begin, int64_t end) {
      for (int64_t group = begin; group < end; ++group) {
        AddEnergies(is, expected, y.rows, features, group, error, energy);
      }
    });
  });
}

void ReconstructionGradient(const Device& device, const ConstMatrix& y, const ConstMatrix& reference, const void* sums,
                            void* channel_weight, void* loss, const Matrix& gradient) {
  internal::VisitElement(y.type, [&]<typename T>(T) {
    using Real = AccumulatorOf<T>;
    const int64_t features = y.cols;
    const auto* is = static_cast<const T*>(y.data);
    const auto* expected = static_cast<const T*>(reference.data);
    const Real* error = static_cast<const Real*>(sums);
    const Real* energy = error + features;
    Real* weight = static_cast<Real*>(channel_weight);

    int64_t counted = 0;
    for (int64_t f = 0; f < features; ++f) counted += energy[f] > 0;
    double total = 0.0;
    for (int64_t f = 0; f < features; ++f) {
      weight[f] = energy[f] > 0 ? 1 / (energy[f] * static_cast<Real>(counted)) : Real{0};
      // NaN and infinity are not left out.
      total += double{error[f]} * weight[f];
    }
    *static_cast<Real*>(loss) = static_cast<Real>(total);

    Parallel(device, y.rows, 2 * features, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        GradientOfToken(is + t * features, expected + t * features, weight, features,
                        static_cast<T*>(gradient.data) + t * features);
      }
    });
  });
}

}  // namespace besa::kernels::cpu
