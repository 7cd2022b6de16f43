// Ids of requests.
#pragma once

#include <string>

#include "storage/base/random.h"

namespace besa::client {

// A version 4 UUID: "f81d4fae-7dec-4d0a-a765-00a0c91e6bf6".
std::string MakeUuid(const RandomBits& random);

}  // namespace besa::client
