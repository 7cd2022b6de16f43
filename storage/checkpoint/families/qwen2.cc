#include "storage/checkpoint/families/qwen2.h"

#include "storage/checkpoint/families/qwen_windows.h"

namespace besa::storage {
namespace {

absl::Status ReadTraits(const nlohmann::json& config, ModelConfig& result) {
  // Whatever config.json says: there is no flag for it.
  result.qkv_bias = true;
  return ReadQwenWindows(config, result);
}

}  // namespace

Family Qwen2() {
  return {.architecture = "Qwen2ForCausalLM",
          .model_type = "qwen2",
          .absent_key_value_heads = 32,
          .reads = QwenWindowFields(),
          .read = ReadTraits};
}

}  // namespace besa::storage
