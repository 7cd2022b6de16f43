#include "worker/pruner/golden.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <vector>

namespace besa::pruner {

Tensors ReadTensors(const std::string& path) {
  std::ifstream file(std::string(BESA_TEST_DATA) + "/" + path, std::ios::binary);
  TORCH_CHECK(file.good(), "cannot read ", path);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  uint64_t n = 0;
  std::memcpy(&n, bytes.data(), 8);
  const auto header = nlohmann::json::parse(bytes.substr(8, n));
  const std::map<std::string, at::ScalarType> types = {{"F32", at::kFloat},     {"F64", at::kDouble},
                                                       {"BF16", at::kBFloat16}, {"I32", at::kInt},
                                                       {"I16", at::kShort},     {"U8", at::kByte}};
  Tensors tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    at::Tensor tensor = at::empty(entry["shape"].get<std::vector<int64_t>>(), types.at(entry["dtype"]));
    std::memcpy(tensor.data_ptr(), bytes.data() + 8 + n + entry["data_offsets"][0].get<uint64_t>(), tensor.nbytes());
    tensors[name] = tensor;
  }
  return tensors;
}

BlockShape SmallShape() {
  return {.hidden = 192,
          .intermediate = 512,
          .heads = 3,
          .kv_heads = 1,
          .head_dim = 64,
          .rms_norm_eps = 1e-5,
          .rope_theta = 10000.0};
}

BlockWeights SmallBlock(const Tensors& model, int64_t block, const at::TensorOptions& options) {
  const std::string prefix = "model.layers." + std::to_string(block) + ".";
  BlockWeights weights = BlockWeights::AllocateLinears(SmallShape(), options);
  weights.input_norm = model.at(prefix + "input_layernorm.weight").to(options);
  weights.post_attention_norm = model.at(prefix + "post_attention_layernorm.weight").to(options);
  for (Linear linear : kAllLinears) {
    weights.linear(linear).copy_(model.at(prefix + LinearName(linear) + ".weight"));
  }
  return weights;
}

double MaxDifference(const at::Tensor& actual, const at::Tensor& expected) {
  return (actual.to(at::kCPU, at::kDouble) - expected.to(at::kCPU, at::kDouble)).abs().max().item<double>();
}

double MaxRelativeDifference(const at::Tensor& actual, const at::Tensor& expected) {
  return MaxDifference(actual, expected) / expected.to(at::kDouble).abs().max().item<double>();
}

}  // namespace besa::pruner
