#include "worker/bench/shapes.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace besa::bench {
namespace {

struct Shape {
  const char* name;
  int64_t hidden;
  int64_t intermediate;
  int64_t heads;
  int64_t kv_heads;
  int64_t head_dim;
};

// From the models' config.json.
constexpr Shape kShapes[] = {
    {"books-llama-28m", 512, 1408, 8, 4, 64}, {"smollm-135m", 576, 1536, 9, 3, 64},
    {"llama-3.2-1b", 2048, 8192, 32, 8, 64},  {"llama-7b", 4096, 11008, 32, 32, 128},
    {"llama-3-8b", 4096, 14336, 32, 8, 128},  {"llama-13b", 5120, 13824, 40, 40, 128},
    {"llama-30b", 6656, 17920, 52, 52, 128},  {"llama-2-70b", 8192, 28672, 64, 8, 128},
};

}  // namespace

absl::StatusOr<storage::ModelConfig> NamedShape(absl::string_view name) {
  for (const Shape& shape : kShapes) {
    if (shape.name != name) continue;
    storage::ModelConfig config;
    config.architecture = "LlamaForCausalLM";
    config.hidden_size = shape.hidden;
    config.intermediate_size = shape.intermediate;
    config.num_hidden_layers = 64;
    config.num_attention_heads = shape.heads;
    config.num_key_value_heads = shape.kv_heads;
    config.head_dim = shape.head_dim;
    config.vocab_size = 1024;
    config.max_position_embeddings = 1 << 17;
    config.rms_norm_eps = 1e-5;
    return config;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("shape: \"", name, "\"; expected one of ", absl::StrJoin(ShapeNames(), ", ")));
}

std::vector<std::string> ShapeNames() {
  std::vector<std::string> names;
  for (const Shape& shape : kShapes) names.emplace_back(shape.name);
  return names;
}

}  // namespace besa::bench
