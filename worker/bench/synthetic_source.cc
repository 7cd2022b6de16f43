#include "worker/bench/synthetic_source.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace besa::bench {
namespace {

constexpr absl::string_view kBlocks = "model.layers.";
constexpr float kDeviation = 0.02f;

// SplitMix64 (Steele, Lea and Flood 2014).
uint64_t Mix(uint64_t state) {
  state += 0x9e3779b97f4a7c15u;
  state = (state ^ state >> 30) * 0xbf58476d1ce4e5b9u;
  state = (state ^ state >> 27) * 0x94d049bb133111ebu;
  return state ^ state >> 31;
}

uint16_t BFloat16Bits(float value) { return static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16); }

storage::HostTensor Make(const std::string& name, const std::vector<int64_t>& shape, uint64_t seed) {
  storage::HostTensor tensor{.name = name, .dtype = storage::DType::kBF16, .shape = shape};
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  tensor.bytes.resize(static_cast<size_t>(count) * 2);
  const bool norm = shape.size() == 1;
  for (int64_t i = 0; i < count; ++i) {
    // The sum of four 16-bit numbers is roughly normal: mean 2 * 65535, deviation 65536 / sqrt(3).
    const uint64_t bits = Mix(seed + static_cast<uint64_t>(i));
    const int64_t sum =
        static_cast<int64_t>((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48)) -
        2 * 65535;
    const float value = norm ? 1.0f : static_cast<float>(sum) * (kDeviation * 1.7320508f / 65536.0f);
    const uint16_t half = BFloat16Bits(value);
    std::memcpy(tensor.bytes.data() + 2 * i, &half, 2);
  }
  return tensor;
}

// "model.layers.17.mlp.up_proj.weight" -> "model.layers.0.mlp.up_proj.weight".
std::string OfFirstBlock(absl::string_view name) {
  if (!absl::StartsWith(name, kBlocks)) return std::string(name);
  return absl::StrCat(storage::BlockPrefix(0), name.substr(name.find('.', kBlocks.size()) + 1));
}

}  // namespace

SyntheticSource::SyntheticSource(const storage::ModelConfig& config) {
  uint64_t seed = 1;
  for (const auto& shapes : {storage::BlockTensorShapes(config, 0), storage::OtherTensorShapes(config)}) {
    for (const auto& [name, shape] : shapes) tensors_.emplace(name, Make(name, shape, seed++ << 40));
  }
}

absl::StatusOr<storage::TensorLocation> SyntheticSource::Find(absl::string_view name) const {
  return absl::UnimplementedError(absl::StrCat(name, " lies in no file"));
}

absl::StatusOr<const storage::HostTensor*> SyntheticSource::Tensor(absl::string_view name) const {
  const auto found = tensors_.find(OfFirstBlock(name));
  if (found == tensors_.end()) return absl::NotFoundError(absl::StrCat("no tensor ", name));
  return &found->second;
}

absl::StatusOr<storage::HostTensor> SyntheticSource::Read(absl::string_view name) const {
  ASSIGN_OR_RETURN(const storage::HostTensor* const tensor, Tensor(name));
  storage::HostTensor copy = *tensor;
  copy.name = std::string(name);
  return copy;
}

absl::Status SyntheticSource::ReadTo(absl::string_view name, const Place& place) const {
  ASSIGN_OR_RETURN(const storage::HostTensor* const tensor, Tensor(name));
  ASSIGN_OR_RETURN(
      const std::span<std::byte> out,
      place({.dtype = tensor->dtype, .shape = tensor->shape, .size = static_cast<int64_t>(tensor->bytes.size())}));
  std::memcpy(out.data(), tensor->bytes.data(), tensor->bytes.size());
  return absl::OkStatus();
}

}  // namespace besa::bench
