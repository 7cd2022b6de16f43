// config.json of a Hugging Face checkpoint, reduced to what determines the forward pass.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace besa::storage {

// How rotary frequencies are stretched for contexts longer than those trained on. What transformers calls "dynamic" is
// kNone: it begins beyond max_position_embeddings, and no window of ours is longer than that.
struct RopeScaling {
  enum class Kind { kNone, kLinear, kLlama3 };
  Kind kind = Kind::kNone;
  double factor = 1.0;
  // Llama 3: wavelengths above original_context / low_freq_factor are scaled, those below original_context /
  // high_freq_factor are not, and in between it is a mixture.
  double low_freq_factor = 0.0;
  double high_freq_factor = 0.0;
  int64_t original_context = 0;

  bool operator==(const RopeScaling&) const = default;
};

// Every family is described by the same traits: who computes never asks for the family's name.
struct ModelConfig {
  // "LlamaForCausalLM": one of families/.
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
  RopeScaling rope_scaling;
  // Which linears of a block add a bias.
  bool qkv_bias = false;
  bool attention_out_bias = false;
  bool mlp_bias = false;
  // Every head of q and k goes through an RMS norm before it is rotated.
  bool qk_norm = false;
  // Tokens that a query of a windowed block sees, itself included; 0: no block is windowed.
  int64_t sliding_window = 0;
  // By block, empty if sliding_window is 0.
  std::vector<bool> windowed;

  // The window of a block, 0 for one that sees everything before it.
  int64_t WindowOf(int64_t block) const;
};

// INVALID_ARGUMENT for text that is not JSON, a missing or senseless field, an unsupported architecture or activation,
// or a field that would change the maths and that the family does not have or we do not implement (yarn, experts,
// soft caps, quantization_config): each names the field, its value and what is supported.
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
