#include "worker/pruner/load_weights.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "storage/base/status_macros.h"
#include "worker/pruner/errors.h"
#include "worker/pruner/tensor_kernels.h"

namespace besa::pruner {
namespace {

constexpr absl::string_view kInputNorm = "input_layernorm.weight";
constexpr absl::string_view kPostAttentionNorm = "post_attention_layernorm.weight";

absl::StatusOr<at::ScalarType> FloatingType(const storage::HostTensor& tensor) {
  switch (tensor.dtype) {
    case storage::DType::kF16:
      return at::kHalf;
    case storage::DType::kBF16:
      return at::kBFloat16;
    case storage::DType::kF32:
      return at::kFloat;
    case storage::DType::kF64:
      return at::kDouble;
    default:
      return absl::InvalidArgumentError(absl::StrCat(tensor.name, ": dtype ", storage::ToString(tensor.dtype),
                                                     " cannot be computed with; expected F16, BF16, F32 or F64"));
  }
}

// Gives a block's weights one after the other: their name within the block, a message's name for them, their shape.
using Consume =
    std::function<absl::StatusOr<at::Tensor>(const std::string& name, absl::string_view where, at::IntArrayRef shape)>;

absl::StatusOr<BlockWeights> Assemble(const BlockShape& shape, const at::TensorOptions& options,
                                      const Consume& consume) {
  BlockWeights weights = BlockWeights::AllocateLinears(shape, options);
  ASSIGN_OR_RETURN(weights.input_norm, consume(std::string(kInputNorm), "input_layernorm", {shape.hidden}));
  ASSIGN_OR_RETURN(weights.post_attention_norm,
                   consume(std::string(kPostAttentionNorm), "post_attention_layernorm", {shape.hidden}));
  for (Linear linear : kAllLinears) {
    ASSIGN_OR_RETURN(const at::Tensor weight, consume(absl::StrCat(LinearName(linear), ".weight"), LinearName(linear),
                                                      {shape.Rows(linear), shape.Cols(linear)}));
    weights.linear(linear).copy_(weight);
    const Group group = GroupOf(linear);
    if (!shape.HasBias(group)) continue;
    ASSIGN_OR_RETURN(const at::Tensor bias,
                     consume(absl::StrCat(LinearName(linear), ".bias"), LinearName(linear), {shape.Rows(linear)}));
    if (!weights.biases[group].defined()) weights.biases[group] = at::empty({shape.GroupRows(group)}, options);
    LinearOfGroup(shape, linear, weights.biases[group]).copy_(bias);
  }
  if (shape.qk_norm) {
    ASSIGN_OR_RETURN(const at::Tensor q, consume("self_attn.q_norm.weight", "self_attn.q_norm", {shape.head_dim}));
    ASSIGN_OR_RETURN(const at::Tensor k, consume("self_attn.k_norm.weight", "self_attn.k_norm", {shape.head_dim}));
    weights.qk_norm = at::cat({q.expand({shape.heads, -1}), k.expand({shape.kv_heads, -1})});
  }
  return weights;
}

}  // namespace

absl::StatusOr<at::Tensor> AsTensor(storage::HostTensor& tensor) {
  ASSIGN_OR_RETURN(const at::ScalarType type, FloatingType(tensor));
  return at::from_blob(tensor.bytes.data(), tensor.shape, at::TensorOptions().dtype(type));
}

absl::StatusOr<at::Tensor> Upload(const storage::HostTensor& tensor, at::IntArrayRef shape, int64_t block,
                                  absl::string_view where, const at::TensorOptions& options) {
  if (at::IntArrayRef(tensor.shape) != shape) {
    return absl::InvalidArgumentError(absl::StrCat(tensor.name, ": shape [", absl::StrJoin(tensor.shape, ", "),
                                                   "]; the config implies [",
                                                   absl::StrJoin(shape.begin(), shape.end(), ", "), "]"));
  }
  ASSIGN_OR_RETURN(const at::ScalarType type, FloatingType(tensor));
  // Only read from, and copied before the bytes go.
  void* bytes = const_cast<std::byte*>(tensor.bytes.data());
  const at::Tensor host = at::from_blob(bytes, shape, at::TensorOptions().dtype(type));
  at::Tensor uploaded = host.to(options, /*non_blocking=*/false, /*copy=*/true);
  if (const int64_t bad = CountNonFinite(uploaded); bad > 0) {
    return BadNumbers(block, where, absl::StrCat(bad, bad == 1 ? " weight is" : " weights are", " NaN or infinite"));
  }
  return uploaded;
}

absl::StatusOr<at::Tensor> LoadTensor(const storage::TensorSource& source, const std::string& name,
                                      at::IntArrayRef shape, const at::TensorOptions& options) {
  ASSIGN_OR_RETURN(const storage::HostTensor tensor, source.Read(name));
  return Upload(tensor, shape, /*block=*/-1, name, options);
}

absl::StatusOr<at::Tensor> LoadEmbedding(const storage::ModelConfig& config, const storage::TensorSource& source,
                                         const at::TensorOptions& options) {
  return LoadTensor(source, "model.embed_tokens.weight", {config.vocab_size, config.hidden_size}, options);
}

absl::StatusOr<BlockWeights> UploadBlock(const BlockTensors& tensors, const BlockShape& shape, int64_t block,
                                         const at::TensorOptions& options) {
  return Assemble(
      shape, options,
      [&](const std::string& name, absl::string_view where, at::IntArrayRef expected) -> absl::StatusOr<at::Tensor> {
        const auto found = tensors.find(name);
        if (found == tensors.end()) {
          return absl::InvalidArgumentError(
              absl::StrCat(storage::BlockPrefix(block), name, ": is not among the block's tensors"));
        }
        return Upload(*found->second, expected, block, where, options);
      });
}

absl::StatusOr<BlockWeights> LoadBlock(const storage::TensorSource& source, const BlockShape& shape, int64_t block,
                                       const at::TensorOptions& options) {
  return Assemble(
      shape, options,
      [&](const std::string& name, absl::string_view where, at::IntArrayRef expected) -> absl::StatusOr<at::Tensor> {
        ASSIGN_OR_RETURN(const storage::HostTensor tensor,
                         source.Read(absl::StrCat(storage::BlockPrefix(block), name)));
        return Upload(tensor, expected, block, where, options);
      });
}

}  // namespace besa::pruner
