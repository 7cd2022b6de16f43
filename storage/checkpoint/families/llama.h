// LLaMA 1, 2 and 3, and what shares their architecture: SmolLM, TinyLlama, Vicuna, ...
#pragma once

#include "storage/checkpoint/families/family.h"

namespace besa::storage {

Family Llama();

}  // namespace besa::storage
