// From tensors in host memory, in a checkpoint's dtype, to tensors on a device in the type that is computed in.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/checkpoint/checkpoint.h"
#include "worker/pruner/block_weights.h"

namespace besa::pruner {

// A view of the tensor's bytes. INVALID_ARGUMENT for a dtype that is not floating.
absl::StatusOr<at::Tensor> AsTensor(storage::HostTensor& tensor);

// `tensor` on the device and in the type of `options`. INVALID_ARGUMENT for another shape or a dtype that is not
// floating; OUT_OF_RANGE (see BadNumbers) if any element is NaN or infinite, naming it by `block` and `where`.
absl::StatusOr<at::Tensor> Upload(const storage::HostTensor& tensor, at::IntArrayRef shape, int64_t block,
                                  absl::string_view where, const at::TensorOptions& options);

// A tensor outside the blocks.
absl::StatusOr<at::Tensor> LoadTensor(const storage::TensorSource& source, const std::string& name,
                                      at::IntArrayRef shape, const at::TensorOptions& options);

// The embeddings of the vocabulary, [vocab, hidden].
absl::StatusOr<at::Tensor> LoadEmbedding(const storage::ModelConfig& config, const storage::TensorSource& source,
                                         const at::TensorOptions& options);

// Tensors of a block in host memory by their names within it ("mlp.up_proj.weight"): see Stage.
using BlockTensors = std::map<std::string, at::Tensor, std::less<>>;

// The tensor as the device will fetch it: for a GPU a copy in pinned memory, which it reads several times as fast, else
// a view of the bytes. INVALID_ARGUMENT for a dtype that is not floating.
absl::StatusOr<at::Tensor> Stage(const storage::HostTensor& tensor, at::Device device);

// Reads a tensor straight into such memory.
absl::StatusOr<at::Tensor> ReadStaged(const storage::TensorSource& source, const std::string& name, at::Device device);

// Fills `weights`, which BlockWeights::Allocate has made. INVALID_ARGUMENT if a tensor is missing, has another shape or
// a dtype that is not floating; OUT_OF_RANGE (see BadNumbers) if any element is NaN or infinite.
absl::Status UploadBlock(const BlockTensors& tensors, int64_t block, BlockWeights& weights);

// Reads a block's weights and uploads them, holding one of them in host memory at a time; for a GPU those that are on
// their way, too. Errors as UploadBlock.
absl::Status LoadBlock(const storage::TensorSource& source, int64_t block, BlockWeights& weights);

}  // namespace besa::pruner
