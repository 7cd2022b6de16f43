#include "worker/pruner/prune_block.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "storage/base/sha256.h"
#include "storage/base/status_macros.h"
#include "worker/pruner/block_trainer.h"
#include "worker/pruner/errors.h"
#include "worker/pruner/exact_sparsity.h"
#include "worker/pruner/host_mask.h"
#include "worker/pruner/importance.h"
#include "worker/pruner/load_weights.h"
#include "worker/pruner/reconstruction_loss.h"
#include "worker/pruner/tensor_kernels.h"
#include "worker/pruner/training_run.h"

namespace besa::pruner {
namespace {

// Everything that the steps below share.
class BlockJob {
 public:
  BlockJob(const PruneRequest& request, const ComputeDevice& device, DenseStream& stream, StageReporter& reporter)
      : request_(request),
        options_(ResolveOptions(request.options, *request.config, request.calibration->windows)),
        shape_(BlockShape::Of(*request.config)),
        tensor_options_(device.OptionsFor(request.compute)),
        stream_(stream),
        reporter_(reporter),
        block_(shape_, request.calibration->length, tensor_options_) {}

  absl::StatusOr<BlockPruning> Run() {
    RETURN_IF_ERROR(ReadBlock());
    RETURN_IF_ERROR(Walk());
    RETURN_IF_ERROR(TakeStatistics());
    RETURN_IF_ERROR(Train());
    return std::move(result_);
  }

 private:
  int64_t samples() const { return request_.calibration->windows; }
  int64_t walk_batch() const { return WalkBatch(request_.calibration->length, tensor_options_.device()); }

  absl::Status ReadBlock();
  absl::Status Walk();
  absl::Status StartStream();
  absl::Status TakeStatistics();
  absl::Status Train();
  absl::StatusOr<double> FinalLoss(const BlockWeights& pruned);
  std::vector<int32_t> FinalCounts(const BlockTrainer& trainer, const std::vector<double>& rates) const;
  void WriteLinear(Linear linear, std::vector<double>::const_iterator rates, std::span<const int32_t> pruned);

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
  std::array<at::Tensor, kLinears> orders_;
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
    ASSIGN_OR_RETURN(const BlockWeights weights, LoadBlock(*request_.dense, shape_, stream_.block, tensor_options_));
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
  InputStatistics statistics(shape_, tensor_options_);
  RETURN_IF_ERROR(ForEachBatch(samples(), walk_batch(), [&](int64_t first, int64_t count) -> absl::Status {
    BlockState state;
    const at::Tensor y = block_.Forward(stream_.activations.narrow(0, first, count), dense_, &state);
    if (CountNonFinite(y) > 0) return CheckActivations(request_.block, state, y);
    statistics.Add(state);
    reference_.narrow(0, first, count).copy_(y);
    return reporter_.Step(first + count);
  }));
  for (int group = 0; group < kGroups; ++group) {
    if (CountNonFinite(statistics.sums(Group(group)).unsqueeze(0)) > 0) {
      return BadNumbers(request_.block, GroupName(Group(group)), "the squares of its inputs add up to infinity");
    }
  }
  orders_ = RankLinears(dense_, statistics, samples());
  return absl::OkStatus();
}

absl::Status BlockJob::Train() {
  RETURN_IF_ERROR(reporter_.Begin("train", TrainingSteps(samples(), options_)));
  const AllocationOptions allocation = {
      .sparsity = options_.sparsity, .granularity = options_.granularity, .prior_sigma = options_.prior_sigma};
  BlockTrainer trainer(block_, dense_, orders_, allocation, options_.d_coef);
  ASSIGN_OR_RETURN(TrainingLog log,
                   TrainAllocation(trainer, stream_.activations, reference_, options_, request_.block, reporter_));
  result_.loss = std::move(log.loss);
  result_.sparsity = std::move(log.sparsity);
  result_.skipped_steps = log.skipped_steps;

  RETURN_IF_ERROR(reporter_.Begin("write", samples()));
  const std::vector<double> rates = trainer.allocation().FinalRates();
  std::vector<int32_t> pruned = FinalCounts(trainer, rates);
  const at::Tensor counts =
      at::from_blob(pruned.data(), {static_cast<int64_t>(pruned.size())}, at::TensorOptions().dtype(at::kInt))
          .to(tensor_options_.device());
  ASSIGN_OR_RETURN(result_.final_loss, FinalLoss(trainer.Masked(counts)));
  int64_t row = 0;
  for (Linear linear : kAllLinears) {
    WriteLinear(linear, rates.begin() + row,
                std::span(pruned).subspan(static_cast<size_t>(row), static_cast<size_t>(shape_.Rows(linear))));
    row += shape_.Rows(linear);
  }
  stream_ = {.key = request_.stream_key, .block = request_.block + 1, .activations = reference_};
  return absl::OkStatus();
}

std::vector<int32_t> BlockJob::FinalCounts(const BlockTrainer& trainer, const std::vector<double>& rates) const {
  if (options_.preset == Preset::kPaper) {
    // By the rule of training, whatever sparsity that gives.
    const at::Tensor pruned = trainer.allocation().Forward().pruned.cpu();
    return {pruned.data_ptr<int32_t>(), pruned.data_ptr<int32_t>() + pruned.numel()};
  }
  std::vector<RowRate> rows;
  rows.reserve(rates.size());
  for (Linear linear : kAllLinears) {
    for (int64_t i = 0; i < shape_.Rows(linear); ++i) {
      rows.push_back({.cols = shape_.Cols(linear), .rate = rates[rows.size()]});
    }
  }
  return ExactSparsity(rows, options_.sparsity);
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

void BlockJob::WriteLinear(Linear linear, std::vector<double>::const_iterator rates, std::span<const int32_t> pruned) {
  const std::string name = absl::StrCat(storage::BlockPrefix(request_.block), LinearName(linear), ".weight");
  storage::HostTensor& tensor =
      *std::find_if(result_.tensors.begin(), result_.tensors.end(), [&](const auto& t) { return t.name == name; });
  const at::Tensor order = orders_[linear].cpu();
  ZeroLeastImportant(tensor,
                     {reinterpret_cast<const uint16_t*>(order.data_ptr<int16_t>()), static_cast<size_t>(order.numel())},
                     pruned);
  result_.linears.push_back({.name = LinearName(linear),
                             .rows = shape_.Rows(linear),
                             .cols = shape_.Cols(linear),
                             .rate = {rates, rates + shape_.Rows(linear)},
                             .pruned = {pruned.begin(), pruned.end()},
                             .zeros = CountZeros(tensor)});
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
