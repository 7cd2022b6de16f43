#include "worker/kernels/block_twins.h"
#include "worker/kernels/cpu_parallel.h"
#include "worker/kernels/cpu_vector.h"
#include "worker/kernels/element.h"

namespace besa::kernels::cpu {
namespace {

using internal::AccumulatorOf;
using internal::ElementTraits;

template <typename T>
BESA_FOR_EVERY_CPU void Forward(const T* gate, const T* up, int64_t width, T* activation) {
  for (int64_t i = 0; i < width; ++i) {
    const AccumulatorOf<T> g = ElementTraits<T>::Load(gate[i]);
    activation[i] = ElementTraits<T>::Round(g / (1 + Exp(-g)) * ElementTraits<T>::Load(up[i]));
  }
}

template <typename T>
BESA_FOR_EVERY_CPU void Backward(const T* gradient_activation, const T* gate, const T* up, int64_t width,
                                 T* gradient_gate, T* gradient_up) {
  // Gradients may overwrite what they are gradients of, element by element.
  BESA_INDEPENDENT
  for (int64_t i = 0; i < width; ++i) {
    const AccumulatorOf<T> a = ElementTraits<T>::Load(gradient_activation[i]);
    const AccumulatorOf<T> g = ElementTraits<T>::Load(gate[i]);
    const AccumulatorOf<T> u = ElementTraits<T>::Load(up[i]);
    const AccumulatorOf<T> sigmoid = 1 / (1 + Exp(-g));
    gradient_gate[i] = ElementTraits<T>::Round(a * u * sigmoid * (1 + g * (1 - sigmoid)));
    gradient_up[i] = ElementTraits<T>::Round(a * g * sigmoid);
  }
}

// What an element costs in elements that are only read.
constexpr int64_t kCost = 4;

}  // namespace

void SwiGlu(const Device& device, const ConstMatrix& gate_up, const Matrix& activation) {
  const int64_t width = activation.cols;
  internal::VisitElement(gate_up.type, [&]<typename T>(T) {
    Parallel(device, gate_up.rows, kCost * width, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const T* gate = static_cast<const T*>(gate_up.data) + t * 2 * width;
        Forward(gate, gate + width, width, static_cast<T*>(activation.data) + t * width);
      }
    });
  });
}

void SwiGluBackward(const Device& device, const ConstMatrix& gradient_activation, const ConstMatrix& gate_up,
                    const Matrix& gradient_gate_up) {
  const int64_t width = gradient_activation.cols;
  internal::VisitElement(gate_up.type, [&]<typename T>(T) {
    Parallel(device, gate_up.rows, 2 * kCost * width, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const T* gate = static_cast<const T*>(gate_up.data) + t * 2 * width;
        T* gradient = static_cast<T*>(gradient_gate_up.data) + t * 2 * width;
        Backward(static_cast<const T*>(gradient_activation.data) + t * width, gate, gate + width, width, gradient,
                 gradient + width);
      }
    });
  });
}

}  // namespace besa::kernels::cpu
