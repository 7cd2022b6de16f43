// Mistral 7B and Nemo: LLaMA in which every block may have a sliding window.
#pragma once

#include "storage/checkpoint/families/family.h"

namespace besa::storage {

Family Mistral();

}  // namespace besa::storage
