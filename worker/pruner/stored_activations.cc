#include "worker/pruner/stored_activations.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "storage/base/status_macros.h"
#include "worker/pruner/block_shape.h"
#include "worker/pruner/dense_stream.h"
#include "worker/pruner/llama_block.h"
#include "worker/pruner/load_weights.h"

namespace besa::pruner {
namespace {

storage::DType StoredType(const at::TensorOptions& options) {
  return options.dtype().toScalarType() == at::kBFloat16 ? storage::DType::kBF16 : storage::DType::kF32;
}

storage::HostTensor ToHost(const at::Tensor& x, const at::TensorOptions& options) {
  storage::HostTensor host{.name = "activations", .dtype = StoredType(options), .shape = x.sizes().vec()};
  host.bytes.resize(static_cast<size_t>(x.nbytes()));
  at::from_blob(host.bytes.data(), x.sizes(), options.device(at::kCPU)).copy_(x);
  return host;
}

// nullopt: what is stored is of no use here.
absl::StatusOr<std::optional<Activations>> ReadParts(const PruneRequest& request, const SampleShare& share,
                                                     const at::TensorOptions& options, Placement placement,
                                                     StageReporter& reporter) {
  const TokenWindows& windows = *request.calibration;
  const Activations x =
      Activations::Allocate({windows.windows, windows.length, request.config->hidden_size}, options, placement);
  int64_t next = 0;
  for (const StoredActivations::Part& part : request.stored->parts) {
    if (part.first_window != next || part.windows < 1 || next + part.windows > share.samples) return std::nullopt;
    absl::StatusOr<storage::HostTensor> host = part.read();
    if (!host.ok()) return std::nullopt;
    const std::vector<int64_t> shape = {part.windows, windows.length, request.config->hidden_size};
    if (host->shape != shape || host->dtype != StoredType(options)) return std::nullopt;
    const SampleShare::Range own = share.Of(next, part.windows);
    if (own.count > 0) {
      const at::Tensor read = at::from_blob(host->bytes.data(), shape, options.device(at::kCPU));
      x.values()
          .narrow(0, own.first, own.count)
          .copy_(read.slice(0, share.Global(own.first) - next, part.windows, share.ranks));
    }
    next += part.windows;
    RETURN_IF_ERROR(reporter.Step(next));
  }
  if (next != share.samples) return std::nullopt;
  return x;
}

}  // namespace

absl::Status SweepDense(const SweepRequest& request, const at::TensorOptions& options, StageReporter& reporter) {
  const int64_t last = request.boundaries.empty() ? 0 : request.boundaries.back();
  const int64_t windows = request.windows->windows;
  RETURN_IF_ERROR(reporter.Begin("walk", last * windows));
  ASSIGN_OR_RETURN(const Activations x, Embed(*request.config, *request.dense, *request.windows, 0, windows, options));
  const LlamaBlock block(BlockShape::Of(*request.config, 0), request.windows->length, options);
  BlockWeights weights = BlockWeights::Allocate(block.shape(), options);
  for (int64_t at = 0;; ++at) {
    if (std::ranges::binary_search(request.boundaries, at))
      RETURN_IF_ERROR(request.store(at, ToHost(x.values(), options)));
    if (at == last) return absl::OkStatus();
    weights.shape = BlockShape::Of(*request.config, at);
    RETURN_IF_ERROR(LoadBlock(*request.dense, at, weights));
    RETURN_IF_ERROR(WalkBlock(at, block, weights, x, [&](int64_t done) { return reporter.Step(at * windows + done); }));
  }
}

absl::Status TakeStored(const PruneRequest& request, const SampleShare& share, const at::TensorOptions& options,
                        Placement placement, StageReporter& reporter, ActivationStream& dense) {
  if (!request.stored || request.stored->block > DenseBoundary(request)) return absl::OkStatus();
  if (!dense.key.empty() && dense.block >= request.stored->block) return absl::OkStatus();
  // What is held goes before memory is taken for what comes.
  dense = {};
  RETURN_IF_ERROR(reporter.Begin("fetch", share.samples));
  ASSIGN_OR_RETURN(const std::optional<Activations> x, ReadParts(request, share, options, placement, reporter));
  if (x) dense = {.key = request.stream_key, .block = request.stored->block, .activations = *x};
  return absl::OkStatus();
}

}  // namespace besa::pruner
