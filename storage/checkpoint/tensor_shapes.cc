#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/checkpoint/checkpoint.h"

namespace besa::storage {
namespace {

bool HasBias(const ModelConfig& config, absl::string_view linear) {
  if (absl::StartsWith(linear, "mlp.")) return config.mlp_bias;
  return linear == "self_attn.o_proj" ? config.attention_out_bias : config.qkv_bias;
}

}  // namespace

std::map<std::string, std::vector<int64_t>> BlockTensorShapes(const ModelConfig& config, int64_t block) {
  const std::string prefix = BlockPrefix(block);
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const LinearSpec& linear : BlockLinears(config)) {
    shapes[absl::StrCat(prefix, linear.name, ".weight")] = {linear.rows, linear.cols};
    if (HasBias(config, linear.name)) shapes[absl::StrCat(prefix, linear.name, ".bias")] = {linear.rows};
  }
  if (config.qk_norm) {
    shapes[absl::StrCat(prefix, "self_attn.q_norm.weight")] = {config.head_dim};
    shapes[absl::StrCat(prefix, "self_attn.k_norm.weight")] = {config.head_dim};
  }
  shapes[absl::StrCat(prefix, "input_layernorm.weight")] = {config.hidden_size};
  shapes[absl::StrCat(prefix, "post_attention_layernorm.weight")] = {config.hidden_size};
  return shapes;
}

std::map<std::string, std::vector<int64_t>> OtherTensorShapes(const ModelConfig& config) {
  std::map<std::string, std::vector<int64_t>> shapes = {
      {"model.embed_tokens.weight", {config.vocab_size, config.hidden_size}},
      {"model.norm.weight", {config.hidden_size}},
  };
  if (!config.tie_word_embeddings) shapes["lm_head.weight"] = {config.vocab_size, config.hidden_size};
  return shapes;
}

}  // namespace besa::storage
