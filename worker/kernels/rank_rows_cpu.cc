#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "worker/kernels/cpu_parallel.h"
#include "worker/kernels/element.h"
#include "worker/kernels/twins.h"

namespace besa::kernels::cpu {
namespace {

using internal::AccumulatorOf;

// Numbers that are not negative are ordered as their bits are; all NaN become one that is behind infinity.
uint32_t KeyOf(float importance) { return std::isnan(importance) ? ~0u >> 1 : std::bit_cast<uint32_t>(importance); }
uint64_t KeyOf(double importance) { return std::isnan(importance) ? ~0ull >> 1 : std::bit_cast<uint64_t>(importance); }

// An importance with its column: no two are equal, so that any sort is a stable one.
struct Keyed {
  uint64_t key;
  uint16_t column;
  bool operator<(const Keyed& other) const { return key < other.key || (key == other.key && column < other.column); }
};

// The same in one number, for 32-bit keys.
uint64_t Pack(uint32_t key, int64_t column) { return uint64_t{key} << 16 | static_cast<uint64_t>(column); }

template <typename T>
void RankRow(const T* row, const std::vector<AccumulatorOf<T>>& scale, uint16_t* order) {
  const auto cols = static_cast<int64_t>(scale.size());
  const auto key = [&](int64_t c) { return KeyOf(std::abs(internal::ElementTraits<T>::Load(row[c])) * scale[c]); };
  if constexpr (std::is_same_v<T, double>) {
    std::vector<Keyed> keyed(cols);
    for (int64_t c = 0; c < cols; ++c) keyed[c] = {key(c), static_cast<uint16_t>(c)};
    std::sort(keyed.begin(), keyed.end());
    for (int64_t j = 0; j < cols; ++j) order[j] = keyed[j].column;
  } else {
    std::vector<uint64_t> packed(cols);
    for (int64_t c = 0; c < cols; ++c) packed[c] = Pack(key(c), c);
    std::sort(packed.begin(), packed.end());
    for (int64_t j = 0; j < cols; ++j) order[j] = static_cast<uint16_t>(packed[j]);
  }
}

}  // namespace

void RankRows(const Device& device, const ConstMatrix& weight, const void* sums, int64_t samples, uint16_t* order,
              uint16_t* rank) {
  internal::VisitElement(weight.type, [&]<typename T>(T) {
    using Real = AccumulatorOf<T>;
    const int64_t cols = weight.cols;
    std::vector<Real> scale(cols);
    for (int64_t c = 0; c < cols; ++c) {
      scale[c] = std::sqrt(static_cast<const Real*>(sums)[c] / static_cast<Real>(samples));
    }
    // Sorting costs a few dozen times what reading an element does.
    Parallel(device, weight.rows, cols * 32, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        RankRow(static_cast<const T*>(weight.data) + r * cols, scale, order + r * cols);
        if (rank == nullptr) continue;
        for (int64_t j = 0; j < cols; ++j) rank[r * cols + order[r * cols + j]] = static_cast<uint16_t>(j);
      }
    });
  });
}

}  // namespace besa::kernels::cpu
