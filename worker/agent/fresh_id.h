// Ids of a process and of its requests.
#pragma once

#include <string>

#include "storage/base/random.h"

namespace besa::worker {

// 32 hexadecimal digits.
std::string FreshId(const RandomBits& random);

}  // namespace besa::worker
