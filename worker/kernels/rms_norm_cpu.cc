#include <cmath>

#include "worker/kernels/block_twins.h"
#include "worker/kernels/cpu_parallel.h"
#include "worker/kernels/cpu_vector.h"
#include "worker/kernels/element.h"

namespace besa::kernels::cpu {
namespace {

using internal::AccumulatorOf;
using internal::ElementTraits;

// Rows of the matrices, and what they have in common.
struct Heads {
  int64_t count;
  int64_t features;
};

template <typename T>
BESA_FOR_EVERY_CPU void NormalizeToken(const T* x, const T* weight, Heads heads, AccumulatorOf<T> eps, T* y,
                                       AccumulatorOf<T>* inverse_rms) {
  using Real = AccumulatorOf<T>;
  const auto load = [](T value) { return ElementTraits<T>::Load(value); };
  for (int64_t h = 0; h < heads.count; ++h) {
    const int64_t first = h * heads.features;
    const auto square = [&](int64_t i) { return load(x[first + i]) * load(x[first + i]); };
    const Real mean = SumInLanes<Real>(heads.features, square) / static_cast<Real>(heads.features);
    const Real scale = 1 / std::sqrt(mean + eps);
    if (inverse_rms != nullptr) inverse_rms[h] = scale;
    for (int64_t i = first; i < first + heads.features; ++i) {
      y[i] = ElementTraits<T>::Round(load(x[i]) * scale * load(weight[i]));
    }
  }
}

template <typename T, Store kStore>
BESA_FOR_EVERY_CPU void BackwardToken(const T* gradient_y, const T* x, const T* weight, Heads heads,
                                      const AccumulatorOf<T>* inverse_rms, T* gradient_x) {
  using Real = AccumulatorOf<T>;
  const auto load = [](T value) { return ElementTraits<T>::Load(value); };
  for (int64_t h = 0; h < heads.count; ++h) {
    const int64_t first = h * heads.features;
    const auto product = [&](int64_t i) {
      return load(weight[first + i]) * load(gradient_y[first + i]) * load(x[first + i]);
    };
    const Real mean = SumInLanes<Real>(heads.features, product) / static_cast<Real>(heads.features);
    const Real r = inverse_rms[h];
    const Real along_x = mean * r * r * r;
    // An element of gradient_x depends on no other of gradient_y.
    BESA_INDEPENDENT
    for (int64_t i = first; i < first + heads.features; ++i) {
      Real gradient = load(weight[i]) * load(gradient_y[i]) * r - load(x[i]) * along_x;
      if constexpr (kStore == Store::kAdd) gradient += load(gradient_x[i]);
      gradient_x[i] = ElementTraits<T>::Round(gradient);
    }
  }
}

}  // namespace

void RmsNorm(const Device& device, const ConstMatrix& x, const ConstMatrix& weight, double eps, const Matrix& y,
             void* inverse_rms) {
  internal::VisitElement(x.type, [&]<typename T>(T) {
    using Real = AccumulatorOf<T>;
    auto* statistics = static_cast<Real*>(inverse_rms);
    Parallel(device, x.rows, 2 * y.cols, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        NormalizeToken(static_cast<const T*>(x.data) + t * x.cols, static_cast<const T*>(weight.data),
                       {weight.rows, weight.cols}, static_cast<Real>(eps), static_cast<T*>(y.data) + t * y.cols,
                       statistics == nullptr ? nullptr : statistics + t * weight.rows);
      }
    });
  });
}

void RmsNormBackward(const Device& device, const ConstMatrix& gradient_y, const ConstMatrix& x,
                     const ConstMatrix& weight, const void* inverse_rms, const Matrix& gradient_x, Store store) {
  internal::VisitElement(x.type, [&]<typename T>(T) {
    Parallel(device, x.rows, 3 * weight.rows * weight.cols, [&](int64_t begin, int64_t end) {
      const auto backward = store == Store::kAdd ? BackwardToken<T, Store::kAdd> : BackwardToken<T, Store::kReplace>;
      for (int64_t t = begin; t < end; ++t) {
        backward(static_cast<const T*>(gradient_y.data) + t * gradient_y.cols,
                 static_cast<const T*>(x.data) + t * x.cols, static_cast<const T*>(weight.data),
                 {weight.rows, weight.cols}, static_cast<const AccumulatorOf<T>*>(inverse_rms) + t * weight.rows,
                 static_cast<T*>(gradient_x.data) + t * gradient_x.cols);
      }
    });
  });
}

}  // namespace besa::kernels::cpu
