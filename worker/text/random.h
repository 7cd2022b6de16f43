// Random numbers that are the same on every machine and with every standard library.
#pragma once

#include <cstdint>

namespace besa::text {

// SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014). One 64-bit seed, all
// of which are good.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9E3779B97F4A7C15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  // Uniform in [0, bound), bound > 0. Draws again where a plain remainder would favour small numbers.
  uint64_t Below(uint64_t bound) {
    const uint64_t rejected = (0 - bound) % bound;
    uint64_t draw = Next();
    while (draw < rejected) draw = Next();
    return draw % bound;
  }

 private:
  uint64_t state_;
};

}  // namespace besa::text
