#include "worker/pruner/golden.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <cstddef>
#include <span>

#include "storage/object/open_store.h"
#include "storage/safetensors/safetensors.h"

namespace besa::pruner {

namespace {

at::ScalarType TypeOf(storage::DType dtype) {
  switch (dtype) {
    case storage::DType::kF32:
      return at::kFloat;
    case storage::DType::kF64:
      return at::kDouble;
    case storage::DType::kBF16:
      return at::kBFloat16;
    case storage::DType::kI32:
      return at::kInt;
    case storage::DType::kU8:
      return at::kByte;
    case storage::DType::kI16:
      return at::kShort;
    default:
      TORCH_CHECK(false, "no golden file has ", storage::ToString(dtype));
  }
}

}  // namespace

Tensors ReadTensors(const std::string& path) {
  const auto store = storage::OpenStore({.allowed_prefixes = {BESA_TEST_DATA}}).value();
  const auto uri = storage::Uri::Parse(std::string(BESA_TEST_DATA) + "/" + path).value();
  const storage::SafetensorsHeader header = storage::ReadSafetensorsHeader(*store, uri).value();
  Tensors tensors;
  for (const auto& [name, entry] : header.tensors) {
    at::Tensor tensor = at::empty(entry.shape, TypeOf(entry.dtype));
    std::byte* bytes = static_cast<std::byte*>(tensor.data_ptr());
    const absl::Status read = store->ReadRange(uri, entry.offset, {bytes, static_cast<size_t>(entry.size)});
    TORCH_CHECK(read.ok(), std::string(read.message()));
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
