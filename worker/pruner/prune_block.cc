#include "worker/pruner/prune_block.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "storage/base/sha256.h"
#include "storage/base/status_macros.h"
#include "worker/pruner/errors.h"
#include "worker/pruner/host_mask.h"
#include "worker/pruner/load_weights.h"
#include "worker/pruner/pruning_method.h"
#include "worker/pruner/reconstruction_loss.h"
#include "worker/pruner/tensor_kernels.h"

namespace besa::pruner {
namespace {

// Everything that the steps below share.
class BlockJob {
 public:
  BlockJob(const PruneRequest& request, const ComputeDevice& device, DenseStream& stream, StageReporter& reporter)
      : request_(request),
        options_(ResolveOptions(request.options, *request.config, request.calibration->windows)),
        shape_(BlockShape::Of(*request.config, request.block)),
        tensor_options_(device.OptionsFor(request.compute)),
        stream_(stream),
        reporter_(reporter),
        block_(shape_, request.calibration->length, tensor_options_) {}

  absl::StatusOr<BlockPruning> Run() {
    RETURN_IF_ERROR(ReadBlock());
    RETURN_IF_ERROR(Walk());
    RETURN_IF_ERROR(TakeStatistics());
    RETURN_IF_ERROR(Prune());
    RETURN_IF_ERROR(Write());
    return std::move(result_);
  }

 private:
  int64_t samples() const { return request_.calibration->windows; }
  int64_t walk_batch() const { return WalkBatch(request_.calibration->length, tensor_options_.device()); }

  absl::Status ReadBlock();
  absl::Status Walk();
  absl::Status StartStream();
  absl::Status TakeStatistics();
  absl::Status Prune();
  absl::Status Write();
  absl::Status WriteLinear(Linear linear, const at::Tensor& on_device);
  absl::StatusOr<double> FinalLoss(const BlockWeights& pruned);

  const PruneRequest& request_;
  const BesaOptions options_;
  const BlockShape shape_;
  const at::TensorOptions tensor_options_;
  DenseStream& stream_;
  StageReporter& reporter_;
  LlamaBlock block_;

  BlockPruning result_;
  BlockWeights dense_;
  // The dense block's output, [samples, length, hidden]: the reference, and the input of the next block.
  at::Tensor reference_;
  std::unique_ptr<PruningMethod> method_;
  MethodResult pruned_;
};

absl::Status BlockJob::ReadBlock() {
  const int64_t count = static_cast<int64_t>(request_.block_tensors.size());
  RETURN_IF_ERROR(reporter_.Begin("load", count));
  Sha256 hash;
  for (const std::string& name : request_.block_tensors) {
    ASSIGN_OR_RETURN(storage::HostTensor tensor, request_.dense->Read(name));
    hash.Update(tensor.bytes);
    result_.tensors.push_back(std::move(tensor));
    RETURN_IF_ERROR(reporter_.Step(static_cast<int64_t>(result_.tensors.size())));
  }
  result_.input_sha256 = hash.Finish();
  return absl::OkStatus();
}

absl::Status BlockJob::StartStream() {
  // Its old activations go first: they and the new ones need not fit together.
  stream_ = {};
  ASSIGN_OR_RETURN(const at::Tensor embedding,
                   LoadTensor(*request_.dense, "model.embed_tokens.weight",
                              {request_.config->vocab_size, shape_.hidden}, tensor_options_));
  at::Tensor activations = at::empty({samples(), request_.calibration->length, shape_.hidden}, tensor_options_);
  RETURN_IF_ERROR(ForEachBatch(samples(), walk_batch(), [&](int64_t first, int64_t count) -> absl::Status {
    ASSIGN_OR_RETURN(const at::Tensor embedded, Embed(embedding, *request_.calibration, first, count));
    activations.narrow(0, first, count).copy_(embedded);
    return absl::OkStatus();
  }));
  stream_ = {.key = request_.stream_key, .block = 0, .activations = activations};
  return absl::OkStatus();
}

absl::Status BlockJob::Walk() {
  const bool reuse =
      !request_.stream_key.empty() && stream_.key == request_.stream_key && stream_.block <= request_.block &&
      stream_.activations.defined() && stream_.activations.scalar_type() == tensor_options_.dtype().toScalarType() &&
      stream_.activations.sizes() == at::IntArrayRef{samples(), request_.calibration->length, shape_.hidden};
  const int64_t from = reuse ? stream_.block : 0;
  RETURN_IF_ERROR(reporter_.Begin("walk", (request_.block - from) * samples()));
  if (!reuse) RETURN_IF_ERROR(StartStream());
  while (stream_.block < request_.block) {
    const int64_t done = (stream_.block - from) * samples();
    const BlockShape shape = BlockShape::Of(*request_.config, stream_.block);
    ASSIGN_OR_RETURN(const BlockWeights weights, LoadBlock(*request_.dense, shape, stream_.block, tensor_options_));
    // While a block is half walked, the stream is nobody's.
    DenseStream walking = std::exchange(stream_, {});
    RETURN_IF_ERROR(WalkBlock(walking.block, block_, weights, walking.activations,
                              [&](int64_t windows) { return reporter_.Step(done + windows); }));
    ++walking.block;
    stream_ = std::move(walking);
  }
  return absl::OkStatus();
}

absl::Status BlockJob::TakeStatistics() {
  RETURN_IF_ERROR(reporter_.Begin("statistics", samples()));
  const std::string prefix = storage::BlockPrefix(request_.block);
  BlockTensors by_name;
  for (const storage::HostTensor& tensor : result_.tensors) {
    absl::string_view name = tensor.name;
    if (absl::ConsumePrefix(&name, prefix)) by_name[std::string(name)] = &tensor;
  }
  ASSIGN_OR_RETURN(dense_, UploadBlock(by_name, shape_, request_.block, tensor_options_));
  reference_ = at::empty_like(stream_.activations);
  method_ = MakeMethod(options_, shape_, tensor_options_);
  RETURN_IF_ERROR(ForEachBatch(samples(), walk_batch(), [&](int64_t first, int64_t count) -> absl::Status {
    BlockState state;
    const at::Tensor y = block_.Forward(stream_.activations.narrow(0, first, count), dense_, &state);
    if (CountNonFinite(y) > 0) return CheckActivations(request_.block, state, y);
    method_->Observe(state);
    reference_.narrow(0, first, count).copy_(y);
    return reporter_.Step(first + count);
  }));
  return absl::OkStatus();
}

absl::Status BlockJob::Prune() {
  const BlockInputs inputs = {.block = block_,
                              .block_index = request_.block,
                              .dense = dense_,
                              .x = stream_.activations,
                              .reference = reference_};
  ASSIGN_OR_RETURN(pruned_, method_->Prune(inputs, reporter_));
  method_.reset();
  result_.loss = std::move(pruned_.loss);
  result_.sparsity = std::move(pruned_.sparsity);
  result_.skipped_steps = pruned_.skipped_steps;
  result_.warnings = std::move(pruned_.warnings);
  return absl::OkStatus();
}

absl::Status BlockJob::Write() {
  RETURN_IF_ERROR(reporter_.Begin("write", samples()));
  const BlockWeights pruned = dense_.WithOwnLinears();
  for (Linear linear : kAllLinears) RETURN_IF_ERROR(WriteLinear(linear, pruned.linear(linear)));
  ASSIGN_OR_RETURN(result_.final_loss, FinalLoss(pruned));
  stream_ = {.key = request_.stream_key, .block = request_.block + 1, .activations = reference_};
  return absl::OkStatus();
}

absl::StatusOr<double> BlockJob::FinalLoss(const BlockWeights& pruned) {
  LossSum loss;
  RETURN_IF_ERROR(ForEachBatch(samples(), walk_batch(), [&](int64_t first, int64_t count) -> absl::Status {
    const at::Tensor y = block_.Forward(stream_.activations.narrow(0, first, count), pruned, nullptr);
    if (CountNonFinite(y) > 0) {
      return BadNumbers(request_.block, GroupName(kMlpOut), "the pruned block's output is NaN or infinite");
    }
    loss.Add(y, reference_.narrow(0, first, count));
    return reporter_.Step(first + count);
  }));
  return loss.Loss();
}

// Into the checkpoint's bytes, and for the final loss into `on_device`.
absl::Status BlockJob::WriteLinear(Linear linear, const at::Tensor& on_device) {
  LinearPruning& pruning = pruned_.linears[linear];
  const std::string name = absl::StrCat(storage::BlockPrefix(request_.block), LinearName(linear), ".weight");
  storage::HostTensor& tensor =
      *std::find_if(result_.tensors.begin(), result_.tensors.end(), [&](const auto& t) { return t.name == name; });

  at::Tensor values = dense_.linear(linear);
  if (pruning.weight.defined()) {
    ASSIGN_OR_RETURN(const at::Tensor host, AsTensor(tensor));
    host.copy_(pruning.weight);
    // As rounded to the checkpoint's dtype.
    values = host.to(tensor_options_);
    if (CountNonFinite(values) > 0) {
      return BadNumbers(request_.block, LinearName(linear), "updated weights are NaN or infinite");
    }
  }
  const at::Tensor counts = at::from_blob(pruning.pruned.data(), {shape_.Rows(linear)}, at::TensorOptions(at::kInt));
  WriteMasked(values, pruning.order, counts.to(tensor_options_.device()), on_device);

  const at::Tensor order = pruning.order.cpu();
  ZeroLeastImportant(tensor,
                     {reinterpret_cast<const uint16_t*>(order.data_ptr<int16_t>()), static_cast<size_t>(order.numel())},
                     pruning.pruned);
  result_.linears.push_back({.name = LinearName(linear),
                             .rows = shape_.Rows(linear),
                             .cols = shape_.Cols(linear),
                             .rate = std::move(pruning.rate),
                             .pruned = std::move(pruning.pruned),
                             .zeros = CountZeros(tensor)});
  pruning = {};
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BlockPruning> PruneBlock(const PruneRequest& request, const ComputeDevice& device, DenseStream& stream,
                                        StageReporter& reporter) {
  BlockJob job(request, device, stream, reporter);
  ASSIGN_OR_RETURN(BlockPruning result, job.Run());
  device.Synchronize();
  result.stages = reporter.Finish();
  return result;
}

}  // namespace besa::pruner
