#include "worker/pruner/load_weights.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstddef>
#include <functional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "storage/base/status_macros.h"
#include "worker/pruner/errors.h"
#include "worker/pruner/tensor_kernels.h"

namespace besa::pruner {
namespace {

absl::StatusOr<at::ScalarType> FloatingType(absl::string_view name, storage::DType dtype) {
  switch (dtype) {
    case storage::DType::kF16:
      return at::kHalf;
    case storage::DType::kBF16:
      return at::kBFloat16;
    case storage::DType::kF32:
      return at::kFloat;
    case storage::DType::kF64:
      return at::kDouble;
    default:
      return absl::InvalidArgumentError(absl::StrCat(name, ": dtype ", storage::ToString(dtype),
                                                     " cannot be computed with; expected F16, BF16, F32 or F64"));
  }
}

// A view of the bytes, only to be read from.
absl::StatusOr<at::Tensor> View(const storage::HostTensor& tensor) {
  ASSIGN_OR_RETURN(const at::ScalarType type, FloatingType(tensor.name, tensor.dtype));
  return at::from_blob(const_cast<std::byte*>(tensor.bytes.data()), tensor.shape, at::TensorOptions().dtype(type));
}

absl::Status CheckShape(const std::string& name, at::IntArrayRef is, at::IntArrayRef expected) {
  if (is == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, ": shape [", absl::StrJoin(is.begin(), is.end(), ", "),
                                                 "]; the config implies [",
                                                 absl::StrJoin(expected.begin(), expected.end(), ", "), "]"));
}

absl::Status CheckCount(int64_t bad, int64_t block, absl::string_view where) {
  if (bad == 0) return absl::OkStatus();
  return BadNumbers(block, where, absl::StrCat(bad, bad == 1 ? " weight is" : " weights are", " NaN or infinite"));
}

// Copies a block's weights to where they belong, and counts bad numbers on the way: the device is asked once, at the
// end.
class Assembly {
 public:
  // Gives a weight in host memory by its name within the block.
  using Give = std::function<absl::StatusOr<at::Tensor>(const std::string& name)>;

  Assembly(int64_t block, BlockWeights& weights, const Give& give)
      : block_(block),
        weights_(weights),
        give_(give),
        counts_(at::empty({kMost}, weights.input_norm.options().dtype(at::kLong))) {}

  absl::Status Run() {
    const BlockShape& shape = weights_.shape;
    RETURN_IF_ERROR(Take("input_layernorm.weight", "input_layernorm", weights_.input_norm));
    RETURN_IF_ERROR(Take("post_attention_layernorm.weight", "post_attention_layernorm", weights_.post_attention_norm));
    for (Linear linear : kAllLinears) {
      const std::string name = LinearName(linear);
      RETURN_IF_ERROR(Take(name + ".weight", LinearName(linear), weights_.linear(linear)));
      const Group group = GroupOf(linear);
      if (!shape.HasBias(group)) continue;
      RETURN_IF_ERROR(Take(name + ".bias", LinearName(linear), LinearOfGroup(shape, linear, weights_.biases[group])));
    }
    if (shape.qk_norm) {
      // One for all heads, kept once a head.
      const at::Tensor q = weights_.qk_norm.narrow(0, 0, shape.heads);
      const at::Tensor k = weights_.qk_norm.narrow(0, shape.heads, shape.kv_heads);
      RETURN_IF_ERROR(Take("self_attn.q_norm.weight", "self_attn.q_norm", q.select(0, 0)));
      RETURN_IF_ERROR(Take("self_attn.k_norm.weight", "self_attn.k_norm", k.select(0, 0)));
      q.copy_(q.select(0, 0).clone().expand_as(q));
      k.copy_(k.select(0, 0).clone().expand_as(k));
    }
    return Check();
  }

 private:
  // Seven linears with biases and four norms.
  static constexpr int64_t kMost = 18;

  absl::Status Take(const std::string& name, const char* where, const at::Tensor& to) {
    ASSIGN_OR_RETURN(const at::Tensor host, give_(name));
    RETURN_IF_ERROR(CheckShape(absl::StrCat(storage::BlockPrefix(block_), name), host.sizes(), to.sizes()));
    // Pinned memory is read while the host goes on; Check waits. What has to be converted is converted on the device.
    const bool pinned = to.is_cuda() && host.is_pinned();
    to.copy_(host.scalar_type() == to.scalar_type() ? host : host.to(to.device(), host.scalar_type(), pinned), pinned);
    CountNonFinite(to, counts_.select(0, static_cast<int64_t>(where_.size())));
    where_.emplace_back(where);
    return absl::OkStatus();
  }

  absl::Status Check() const {
    const at::Tensor counts = counts_.cpu();
    for (size_t i = 0; i < where_.size(); ++i) {
      RETURN_IF_ERROR(CheckCount(counts.data_ptr<int64_t>()[i], block_, where_[i]));
    }
    return absl::OkStatus();
  }

  int64_t block_;
  BlockWeights& weights_;
  const Give& give_;
  // Bad numbers of each weight taken, in this order.
  at::Tensor counts_;
  std::vector<const char*> where_;
};

}  // namespace

absl::StatusOr<at::Tensor> AsTensor(storage::HostTensor& tensor) {
  ASSIGN_OR_RETURN(const at::ScalarType type, FloatingType(tensor.name, tensor.dtype));
  return at::from_blob(tensor.bytes.data(), tensor.shape, at::TensorOptions().dtype(type));
}

absl::StatusOr<at::Tensor> Stage(const storage::HostTensor& tensor, at::Device device) {
  ASSIGN_OR_RETURN(const at::Tensor view, View(tensor));
  if (!device.is_cuda()) return view;
  const at::Tensor pinned = at::empty(view.sizes(), view.options().pinned_memory(true));
  pinned.copy_(view);
  return pinned;
}

absl::StatusOr<at::Tensor> ReadStaged(const storage::TensorSource& source, const std::string& name, at::Device device) {
  at::Tensor staged;
  RETURN_IF_ERROR(source.ReadTo(name, [&](const storage::TensorEntry& entry) -> absl::StatusOr<std::span<std::byte>> {
    ASSIGN_OR_RETURN(const at::ScalarType type, FloatingType(name, entry.dtype));
    staged = at::empty(entry.shape, at::TensorOptions().dtype(type).pinned_memory(device.is_cuda()));
    return std::span(static_cast<std::byte*>(staged.data_ptr()), staged.nbytes());
  }));
  return staged;
}

absl::StatusOr<at::Tensor> Upload(const storage::HostTensor& tensor, at::IntArrayRef shape, int64_t block,
                                  absl::string_view where, const at::TensorOptions& options) {
  ASSIGN_OR_RETURN(const at::Tensor host, View(tensor));
  RETURN_IF_ERROR(CheckShape(tensor.name, host.sizes(), shape));
  // Copied before the bytes go.
  at::Tensor uploaded = host.to(options, /*non_blocking=*/false, /*copy=*/true);
  RETURN_IF_ERROR(CheckCount(CountNonFinite(uploaded), block, where));
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

absl::Status UploadBlock(const BlockTensors& tensors, int64_t block, BlockWeights& weights) {
  const Assembly::Give give = [&](const std::string& name) -> absl::StatusOr<at::Tensor> {
    const auto found = tensors.find(name);
    if (found == tensors.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(storage::BlockPrefix(block), name, ": is not among the block's tensors"));
    }
    return found->second;
  };
  return Assembly(block, weights, give).Run();
}

absl::Status LoadBlock(const storage::TensorSource& source, int64_t block, BlockWeights& weights) {
  // For a GPU a tensor is on its way while the next one is read; its memory is taken again when it has arrived.
  const at::Device device = weights.input_norm.device();
  const Assembly::Give give = [&](const std::string& name) {
    return ReadStaged(source, absl::StrCat(storage::BlockPrefix(block), name), device);
  };
  return Assembly(block, weights, give).Run();
}

}  // namespace besa::pruner
