#include "worker/kernels/block_twins.h"
#include "worker/kernels/cpu_parallel.h"
#include "worker/kernels/cpu_vector.h"
#include "worker/kernels/element.h"

namespace besa::kernels::cpu {
namespace {

using internal::AccumulatorOf;
using internal::ElementTraits;

// sign: 1 forward, -1 back.
template <typename T>
BESA_FOR_EVERY_CPU void RotateToken(T* x, int64_t heads, int64_t half, const AccumulatorOf<T>* cos,
                                    const AccumulatorOf<T>* sin, AccumulatorOf<T> sign) {
  for (int64_t h = 0; h < heads; ++h) {
    T* first = x + h * 2 * half;
    T* second = first + half;
    // Pairs do not touch each other.
    BESA_INDEPENDENT
    for (int64_t i = 0; i < half; ++i) {
      const AccumulatorOf<T> a = ElementTraits<T>::Load(first[i]);
      const AccumulatorOf<T> b = ElementTraits<T>::Load(second[i]);
      const AccumulatorOf<T> s = sign * sin[i];
      first[i] = ElementTraits<T>::Round(a * cos[i] - b * s);
      second[i] = ElementTraits<T>::Round(b * cos[i] + a * s);
    }
  }
}

}  // namespace

void Rotate(const Device& device, const Matrix& x, int64_t heads, const RotaryTable& table, Rotation rotation) {
  const int64_t half = table.head_dim / 2;
  internal::VisitElement(x.type, [&]<typename T>(T) {
    using Real = AccumulatorOf<T>;
    const Real sign = rotation == Rotation::kForward ? 1 : -1;
    Parallel(device, x.rows, 2 * heads * table.head_dim, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t angles = t % table.length * half;
        RotateToken(static_cast<T*>(x.data) + t * x.cols, heads, half, static_cast<const Real*>(table.cos) + angles,
                    static_cast<const Real*>(table.sin) + angles, sign);
      }
    });
  });
}

}  // namespace besa::kernels::cpu
