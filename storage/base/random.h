// Randomness as a dependency: what must differ between processes (ids, names, jitter). Nothing of a job's result comes
// from it.
#pragma once

#include <cstdint>
#include <functional>

namespace besa {

// 64 random bits a call. Thread-safe.
using RandomBits = std::function<uint64_t()>;

// The operating system's.
RandomBits SystemRandom();

// A number in [0, 1), evenly distributed if the bits are.
double UnitInterval(uint64_t bits);

}  // namespace besa
