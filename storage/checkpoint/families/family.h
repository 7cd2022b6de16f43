// What tells one family of models from another, as far as config.json goes. To support another one: a file like
// llama.cc, and a line in families.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "storage/checkpoint/model_config.h"

namespace besa::storage {

struct Family {
  // "Qwen2ForCausalLM".
  std::string architecture;
  // "qwen2".
  std::string model_type;
  // What transformers assumes where config.json lacks the field: 0 means num_attention_heads, and
  // hidden_size / num_attention_heads.
  int64_t absent_key_value_heads = 0;
  int64_t absent_head_dim = 0;
  // Those of the fields that would be refused (OffFields in model_config.cc) that `read` deals with.
  std::vector<std::string> reads;
  // Fills in the traits that not every family has. What all have (sizes, rope, ties) is filled in already.
  absl::Status (*read)(const nlohmann::json& config, ModelConfig& result) = nullptr;
};

// All that are supported.
const std::vector<Family>& Families();

}  // namespace besa::storage
