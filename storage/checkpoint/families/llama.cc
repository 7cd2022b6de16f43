#include "storage/checkpoint/families/llama.h"

#include "storage/base/status_macros.h"
#include "storage/checkpoint/config_fields.h"

namespace besa::storage {
namespace {

absl::Status ReadBiases(const nlohmann::json& config, ModelConfig& result) {
  // One flag for all four linears of the attention, one for all three of the MLP.
  ASSIGN_OR_RETURN(result.qkv_bias, FlagField(config, "attention_bias", false));
  result.attention_out_bias = result.qkv_bias;
  ASSIGN_OR_RETURN(result.mlp_bias, FlagField(config, "mlp_bias", false));
  return absl::OkStatus();
}

}  // namespace

Family Llama() {
  return {.architecture = "LlamaForCausalLM",
          .model_type = "llama",
          .reads = {"attention_bias", "mlp_bias"},
          .read = ReadBiases};
}

}  // namespace besa::storage
