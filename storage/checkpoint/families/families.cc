#include "storage/checkpoint/families/family.h"
#include "storage/checkpoint/families/llama.h"
#include "storage/checkpoint/families/mistral.h"
#include "storage/checkpoint/families/qwen2.h"
#include "storage/checkpoint/families/qwen3.h"

namespace besa::storage {

const std::vector<Family>& Families() {
  static const auto* const families = new std::vector<Family>{
      Llama(),
      Mistral(),
      Qwen2(),
      Qwen3(),
  };
  return *families;
}

}  // namespace besa::storage
