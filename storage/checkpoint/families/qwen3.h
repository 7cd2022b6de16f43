// Qwen3: every head of q and k is normalised, biases are optional, and blocks may have a sliding window.
#pragma once

#include "storage/checkpoint/families/family.h"

namespace besa::storage {

Family Qwen3();

}  // namespace besa::storage
