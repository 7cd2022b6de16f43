#include <algorithm>
#include <vector>

#include "worker/kernels/allocation_twins.h"
#include "worker/kernels/cpu_parallel.h"
#include "worker/kernels/cpu_vector.h"
#include "worker/kernels/element.h"

namespace besa::kernels::cpu {
namespace {

using internal::ElementTraits;

constexpr int64_t kChunk = 1 << 16;

// NaN and infinity are those whose difference from themselves is not 0.
template <typename T>
BESA_FOR_EVERY_CPU bool IsFinite(const T* x, int64_t count) {
  return SumInLanes<int64_t>(count, [&](int64_t i) -> int64_t {
           const auto value = ElementTraits<T>::Load(x[i]);
           return value - value != 0;
         }) == 0;
}

template <typename T>
bool PartIsFinite(const Device& device, const T* x, int64_t count) {
  const int64_t chunks = (count + kChunk - 1) / kChunk;
  // A byte each, as threads write side by side.
  std::vector<char> finite(static_cast<size_t>(chunks));
  Parallel(device, chunks, kChunk, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t first = chunk * kChunk;
      finite[static_cast<size_t>(chunk)] = IsFinite(x + first, std::min(kChunk, count - first));
    }
  });
  return std::all_of(finite.begin(), finite.end(), [](char good) { return good != 0; });
}

}  // namespace

void AllFinite(const Device& device, ElementType type, const void* x, const int64_t* begin, int parts, bool* finite,
               bool* all) {
  internal::VisitElement(type, [&]<typename T>(T) {
    *all = true;
    for (int part = 0; part < parts; ++part) {
      finite[part] = PartIsFinite(device, static_cast<const T*>(x) + begin[part], begin[part + 1] - begin[part]);
      *all = *all && finite[part];
    }
  });
}

}  // namespace besa::kernels::cpu
