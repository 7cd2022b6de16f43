#include "server/testing/tiny_checkpoint.h"

#include <cstddef>
#include <stdexcept>
#include <string>

#include "absl/status/status.h"

namespace besa::server::testing {
namespace {

void Check(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

storage::ModelConfig Config() {
  auto config = storage::ParseModelConfig(TinyConfig());
  Check(config.status());
  return *config;
}

}  // namespace

std::string TinyConfig() {
  return R"({
  "architectures": ["LlamaForCausalLM"],
  "model_type": "llama",
  "hidden_size": 8,
  "intermediate_size": 16,
  "num_hidden_layers": 2,
  "num_attention_heads": 2,
  "num_key_value_heads": 1,
  "head_dim": 4,
  "vocab_size": 32,
  "max_position_embeddings": 64,
  "rms_norm_eps": 1e-05,
  "rope_theta": 10000.0,
  "hidden_act": "silu",
  "tie_word_embeddings": true,
  "torch_dtype": "bfloat16"
})";
}

storage::HostTensor TinyTensor(const std::string& name, std::vector<int64_t> shape) {
  storage::HostTensor tensor{.name = name, .dtype = storage::DType::kBF16, .shape = std::move(shape)};
  int64_t elements = 1;
  for (const int64_t dimension : tensor.shape) elements *= dimension;
  tensor.bytes.resize(static_cast<size_t>(elements) * 2);
  for (size_t i = 0; i < tensor.bytes.size(); i += 2) {
    tensor.bytes[i] = static_cast<std::byte>(name[(i / 2) % name.size()]);
    // Numbers around 0.5, whatever the name.
    tensor.bytes[i + 1] = std::byte{0x3f};
  }
  return tensor;
}

std::vector<storage::HostTensor> TinyBlock(int block) {
  const storage::ModelConfig config = Config();
  const std::string prefix = storage::BlockPrefix(block);
  std::vector<storage::HostTensor> tensors;
  for (const storage::LinearSpec& linear : storage::BlockLinears(config)) {
    tensors.push_back(TinyTensor(prefix + linear.name + ".weight", {linear.rows, linear.cols}));
  }
  tensors.push_back(TinyTensor(prefix + "input_layernorm.weight", {config.hidden_size}));
  tensors.push_back(TinyTensor(prefix + "post_attention_layernorm.weight", {config.hidden_size}));
  return tensors;
}

std::vector<storage::HostTensor> TinyRest() {
  const storage::ModelConfig config = Config();
  return {TinyTensor("model.embed_tokens.weight", {config.vocab_size, config.hidden_size}),
          TinyTensor("model.norm.weight", {config.hidden_size})};
}

void WriteTinyCheckpoint(storage::ObjectStore& store, const storage::Uri& folder) {
  std::vector<storage::HostTensor> tensors = TinyRest();
  for (int block = 0; block < 2; ++block) {
    for (storage::HostTensor& tensor : TinyBlock(block)) tensors.push_back(std::move(tensor));
  }
  Check(storage::WriteSafetensors(store, folder.Join("model.safetensors"), tensors, {{"format", "pt"}}).status());
  Check(storage::WriteAll(store, folder.Join("config.json"), TinyConfig()));
  Check(storage::WriteAll(store, folder.Join("tokenizer.json"), "{\"version\": \"1.0\"}"));
}

}  // namespace besa::server::testing
