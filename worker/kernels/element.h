// Element types inside the kernels: how a value is read into the type that arithmetic is done in, and rounded back.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "worker/kernels/device.h"

namespace besa::kernels::internal {

// The upper half of a float.
struct BFloat16 {
  uint16_t bits;
};

template <typename T>
struct ElementTraits {
  using Accumulator = T;
  static Accumulator Load(T value) { return value; }
  static T Round(Accumulator value) { return value; }
};

template <>
struct ElementTraits<BFloat16> {
  using Accumulator = float;
  static Accumulator Load(BFloat16 value) { return std::bit_cast<float>(uint32_t{value.bits} << 16); }
  // To nearest, ties to even.
  static BFloat16 Round(float value) {
    const auto bits = std::bit_cast<uint32_t>(value);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    return {static_cast<uint16_t>(value != value ? 0x7fc0u : rounded)};
  }
};

template <typename T>
using AccumulatorOf = typename ElementTraits<T>::Accumulator;

// Calls function with a value of the C++ type.
template <typename Function>
auto VisitElement(ElementType type, const Function& function) {
  switch (type) {
    case ElementType::kFloat64:
      return function(double{});
    case ElementType::kBFloat16:
      return function(BFloat16{});
    case ElementType::kFloat32:
      break;
  }
  return function(float{});
}

constexpr size_t ElementSize(ElementType type) {
  return type == ElementType::kFloat64 ? 8 : type == ElementType::kFloat32 ? 4 : 2;
}

}  // namespace besa::kernels::internal
