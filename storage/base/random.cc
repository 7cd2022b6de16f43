#include "storage/base/random.h"

#include <random>

namespace besa {

RandomBits SystemRandom() {
  return [] {
    std::random_device device;
    return uint64_t{device()} << 32 | device();
  };
}

// The top 53 bits fill a double's mantissa.
double UnitInterval(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace besa
