#include <algorithm>

#include "worker/kernels/block_twins.h"
#include "worker/kernels/cpu_parallel.h"
#include "worker/kernels/cpu_vector.h"
#include "worker/kernels/element.h"

namespace besa::kernels::cpu {
namespace {

using internal::AccumulatorOf;
using internal::ElementTraits;

// Heads that lie `apart` elements from each other, to where they lie side by side; the two may be the same place.
// sign: 1 forward, -1 back.
template <typename T>
BESA_FOR_EVERY_CPU void RotateToken(const T* from, int64_t apart, int64_t heads, int64_t half,
                                    const AccumulatorOf<T>* cos, const AccumulatorOf<T>* sin, AccumulatorOf<T> sign,
                                    T* to) {
  for (int64_t h = 0; h < heads; ++h) {
    const T* first = from + h * apart;
    const T* second = first + half;
    T* first_to = to + h * 2 * half;
    T* second_to = first_to + half;
    // Pairs do not touch each other.
    BESA_INDEPENDENT
    for (int64_t i = 0; i < half; ++i) {
      const AccumulatorOf<T> a = ElementTraits<T>::Load(first[i]);
      const AccumulatorOf<T> b = ElementTraits<T>::Load(second[i]);
      const AccumulatorOf<T> s = sign * sin[i];
      first_to[i] = ElementTraits<T>::Round(a * cos[i] - b * s);
      second_to[i] = ElementTraits<T>::Round(b * cos[i] + a * s);
    }
  }
}

// The table's rows as the type has them, and where a token stands in it.
template <typename T>
struct Angles {
  Angles(const RotaryTable& table, Rotation rotation)
      : length(table.length),
        half(table.head_dim / 2),
        cos(static_cast<const AccumulatorOf<T>*>(table.cos)),
        sin(static_cast<const AccumulatorOf<T>*>(table.sin)),
        sign(rotation == Rotation::kForward ? 1 : -1) {}

  void Turn(int64_t position, const T* from, int64_t apart, int64_t heads, T* to) const {
    RotateToken(from, apart, heads, half, cos + position * half, sin + position * half, sign, to);
  }

  int64_t length;
  int64_t half;
  const AccumulatorOf<T>* cos;
  const AccumulatorOf<T>* sin;
  AccumulatorOf<T> sign;
};

}  // namespace

void Rotate(const Device& device, const Matrix& x, int64_t heads, const RotaryTable& table, Rotation rotation) {
  internal::VisitElement(x.type, [&]<typename T>(T) {
    const Angles<T> angles(table, rotation);
    Parallel(device, x.rows, 2 * heads * table.head_dim, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        T* token = static_cast<T*>(x.data) + t * x.cols;
        angles.Turn(t % table.length, token, table.head_dim, heads, token);
      }
    });
  });
}

void GatherHeads(const Device& device, const HeadsView& q, const HeadsView& k, const HeadsView& v,
                 const RotaryTable& table, Rotation rotation, const Matrix& out) {
  internal::VisitElement(out.type, [&]<typename T>(T) {
    const Angles<T> angles(table, rotation);
    Parallel(device, out.rows, 2 * out.cols, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t position = t % table.length;
        const auto token = [&](const HeadsView& heads) {
          return static_cast<const T*>(heads.data) + t / table.length * heads.sequence + position * heads.token;
        };
        T* to = static_cast<T*>(out.data) + t * out.cols;
        angles.Turn(position, token(q), q.head, q.heads, to);
        to += q.heads * table.head_dim;
        angles.Turn(position, token(k), k.head, k.heads, to);
        to += k.heads * table.head_dim;
        for (int64_t h = 0; h < v.heads; ++h) {
          std::copy_n(token(v) + h * v.head, table.head_dim, to + h * table.head_dim);
        }
      }
    });
  });
}

}  // namespace besa::kernels::cpu
