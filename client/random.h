// Randomness as a dependency: request ids and the jitter of retries.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace besa::client {

// 64 random bits a call. Thread-safe.
using RandomBits = std::function<uint64_t()>;

// The operating system's.
RandomBits SystemRandom();

// A version 4 UUID: "f81d4fae-7dec-4d0a-a765-00a0c91e6bf6".
std::string MakeUuid(const RandomBits& random);

}  // namespace besa::client
