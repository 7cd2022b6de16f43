#include "absl/strings/str_cat.h"
#include "storage/checkpoint/checkpoint.h"

namespace besa::storage {

std::map<std::string, std::vector<int64_t>> BlockTensorShapes(const ModelConfig& config, int64_t block) {
  const std::string prefix = BlockPrefix(block);
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const LinearSpec& linear : BlockLinears(config)) {
    shapes[absl::StrCat(prefix, linear.name, ".weight")] = {linear.rows, linear.cols};
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
