#include "storage/checkpoint/families/qwen3.h"

#include "storage/base/status_macros.h"
#include "storage/checkpoint/config_fields.h"
#include "storage/checkpoint/families/qwen_windows.h"

namespace besa::storage {
namespace {

absl::Status ReadTraits(const nlohmann::json& config, ModelConfig& result) {
  result.qk_norm = true;
  ASSIGN_OR_RETURN(result.qkv_bias, FlagField(config, "attention_bias", false));
  result.attention_out_bias = result.qkv_bias;
  return ReadQwenWindows(config, result);
}

}  // namespace

Family Qwen3() {
  std::vector<std::string> reads = QwenWindowFields();
  reads.push_back("attention_bias");
  return {.architecture = "Qwen3ForCausalLM",
          .model_type = "qwen3",
          .absent_key_value_heads = 32,
          .absent_head_dim = 128,
          .reads = std::move(reads),
          .read = ReadTraits};
}

}  // namespace besa::storage
