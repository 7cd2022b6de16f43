#include <cmath>
#include <numbers>
#include <type_traits>

#include "worker/kernels/adam_twins.h"
#include "worker/kernels/cpu_parallel.h"
#include "worker/kernels/cpu_vector.h"
#include "worker/kernels/element.h"

namespace besa::kernels::cpu {
namespace {

using internal::AccumulatorOf;
using internal::ElementTraits;

template <typename Real>
struct Factors {
  Real beta1;
  Real rest1;
  Real beta2;
  Real rest2;
  Real rate;
  Real inverse_root;
  Real eps;
  Real pull;
};

template <typename T, bool kPull, typename Real = AccumulatorOf<T>>
BESA_FOR_EVERY_CPU void Update(const Factors<Real>& factors, int64_t count, const T* gradient, const T* dense,
                               Real* master, Real* first_moment, Real* second_moment, T* weight) {
  BESA_INDEPENDENT
  for (int64_t i = 0; i < count; ++i) {
    const bool removed = second_moment[i] < 0;
    const Real g = ElementTraits<T>::Load(gradient[i]);
    const Real m = factors.beta1 * first_moment[i] + factors.rest1 * g;
    // Of a removed weight it is read as a kept one's, so that the root exists, and not kept.
    const Real v = factors.beta2 * (removed ? Real{0} : second_moment[i]) + factors.rest2 * g * g;
    Real w = master[i] - factors.rate * m / (std::sqrt(v) * factors.inverse_root + factors.eps);
    if constexpr (kPull) w -= factors.pull * (master[i] - ElementTraits<T>::Load(dense[i]));
    first_moment[i] = removed ? first_moment[i] : m;
    second_moment[i] = removed ? second_moment[i] : v;
    master[i] = removed ? Real{0} : w;
    weight[i] = ElementTraits<T>::Round(removed ? Real{0} : w);
  }
}

// What an element costs in elements that are only read.
constexpr int64_t kCost = 8;

}  // namespace

void AdamAdvance(const AdamOptions& options, bool apply, AdamClock& clock) {
  if (apply) {
    const double turn = std::numbers::pi * clock.position / static_cast<double>(options.steps);
    clock.beta1_power *= options.beta1;
    clock.beta2_power *= options.beta2;
    const double learning_rate = options.learning_rate * 0.5 * (1.0 + std::cos(turn));
    clock.rate = learning_rate / (1.0 - clock.beta1_power);
    clock.pull = learning_rate * options.decay;
    clock.inverse_root = 1.0 / std::sqrt(1.0 - clock.beta2_power);
  }
  clock.position += 1.0;
}

void AdamStep(const Device& device, const AdamOptions& options, const AdamClock& clock, const ConstMatrix& gradient,
              const ConstMatrix& dense, const AdamState& state, const Matrix& weight) {
  internal::VisitElement(weight.type, [&]<typename T>(T) {
    using Real = AccumulatorOf<T>;
    const Factors<Real> factors = {.beta1 = static_cast<Real>(options.beta1),
                                   .rest1 = static_cast<Real>(1.0 - options.beta1),
                                   .beta2 = static_cast<Real>(options.beta2),
                                   .rest2 = static_cast<Real>(1.0 - options.beta2),
                                   .rate = static_cast<Real>(clock.rate),
                                   .inverse_root = static_cast<Real>(clock.inverse_root),
                                   .eps = static_cast<Real>(options.eps),
                                   .pull = static_cast<Real>(clock.pull)};
    const int64_t cols = weight.cols;
    Parallel(device, weight.rows, kCost * cols, [&](int64_t begin, int64_t end) {
      const int64_t first = begin * cols;
      const auto update = [&]<bool kPull>(std::bool_constant<kPull>) {
        Update<T, kPull>(factors, (end - begin) * cols, static_cast<const T*>(gradient.data) + first,
                         kPull ? static_cast<const T*>(dense.data) + first : nullptr,
                         static_cast<Real*>(state.master) + first, static_cast<Real*>(state.first_moment) + first,
                         static_cast<Real*>(state.second_moment) + first, static_cast<T*>(weight.data) + first);
      };
      options.decay != 0.0 ? update(std::true_type()) : update(std::false_type());
    });
  });
}

}  // namespace besa::kernels::cpu
