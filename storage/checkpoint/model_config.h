// config.json of a Hugging Face checkpoint, reduced to what determines the forward pass.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace besa::storage {

struct ModelConfig {
  // "LlamaForCausalLM".
  std::string architecture;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_hidden_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t num_key_value_heads = 0;
  int64_t head_dim = 0;
  int64_t vocab_size = 0;
  int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000.0;
  bool tie_word_embeddings = false;
};

// INVALID_ARGUMENT for text that is not JSON, a missing or senseless field, an unsupported architecture or activation,
// or a field that would change the maths and that we do not implement (rope_scaling, attention_bias, sliding_window,
// quantization_config): each names the field, its value and what is supported.
absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view json);

// One linear of a block.
struct LinearSpec {
  // Within the block: "self_attn.q_proj".
  std::string name;
  // Output features.
  int64_t rows = 0;
  // Input features.
  int64_t cols = 0;
};

// The linears of every block, in the order q k v o gate up down.
std::vector<LinearSpec> BlockLinears(const ModelConfig& config);

// "model.layers.3." + name + ".weight" and the like.
std::string BlockPrefix(int64_t block);

}  // namespace besa::storage
