// Qwen2 and Qwen2.5: q, k and v have biases, and the last blocks may have a sliding window.
#pragma once

#include "storage/checkpoint/families/family.h"

namespace besa::storage {

Family Qwen2();

}  // namespace besa::storage
