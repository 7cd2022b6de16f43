#include "worker/pruner/prune_block.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cost/batches.h"
#include "storage/base/status_macros.h"
#include "worker/pruner/dense_stream.h"
#include "worker/pruner/errors.h"
#include "worker/pruner/finite_watch.h"
#include "worker/pruner/group_sweep.h"
#include "worker/pruner/host_mask.h"
#include "worker/pruner/load_weights.h"
#include "worker/pruner/pruning_method.h"
#include "worker/pruner/rank_agreement.h"
#include "worker/pruner/reconstruction_loss.h"
#include "worker/pruner/recovery.h"
#include "worker/pruner/tensor_kernels.h"
#include "worker/pruner/training_run.h"

namespace besa::pruner {
namespace {

// Who trains a block: all ranks together, each on its own windows; or each rank a block of its own, on all windows.
enum class Training { kTogether, kOwnBlock };

// Everything that the steps below share.
class BlockJob {
 public:
  BlockJob(Training training, const PruneRequest& request, const SampleShare& share, RankGroup& ranks,
           const ComputeDevice& device, Placement placement, KeptState& kept, StageReporter& reporter)
      : own_block_(training == Training::kOwnBlock),
        request_(request),
        options_(request.options),
        walked_(share),
        group_(ranks),
        share_(own_block_ ? SampleShare{.samples = share.samples} : share),
        ranks_(own_block_ ? RankGroup::Alone() : ranks),
        shape_(BlockShape::Of(*request.config, request.block)),
        tensor_options_(device.OptionsFor(request.compute)),
        placement_(placement),
        streams_(kept.streams),
        observed_(kept.observed),
        workspace_(kept.workspace),
        ahead_(kept.ahead),
        reporter_(reporter),
        committed_(device.device()) {}

  absl::StatusOr<BlockPruning> Run() {
    BeginCommitted();
    RETURN_IF_ERROR(Load());
    workspace_.JoinRanks(ranks_);
    workspace_.Prepare(shape_, request_.calibration->length, tensor_options_);
    if (own_block_) {
      RETURN_IF_ERROR(Sweep());
    } else {
      RETURN_IF_ERROR(StepReference());
      RETURN_IF_ERROR(Walk());
      RETURN_IF_ERROR(TakeStatistics());
    }
    RETURN_IF_ERROR(LookAhead());
    RETURN_IF_ERROR(Prune());
    RETURN_IF_ERROR(Recover());
    RETURN_IF_ERROR(Write());
    return std::move(result_);
  }

 private:
  // This rank's, of those that are walked.
  int64_t samples() const { return request_.calibration->windows; }
  const LlamaBlock& block() const { return workspace_.block(); }
  const BlockWeights& dense() const { return workspace_.dense(); }
  StreamWalker Walker() { return {request_, tensor_options_, placement_, block(), workspace_.dense(), reporter_}; }
  int64_t walk_batch() const { return WalkBatch(request_.calibration->length, tensor_options_.device()); }

  // Whether the reference is a stream of its own, and not made by the pass that takes the statistics: that is what it
  // is in the independent schedule, and where the dense block on the pruned inputs is the reference.
  bool own_reference() const { return TakesDenseStream(options_) && TakesPrunedStream(options_); }

  void BeginCommitted();
  absl::Status Load();
  absl::Status StepReference();
  absl::Status Walk();
  absl::Status WalkCommitted(StreamWalker& walker);
  absl::Status UploadDense();
  absl::Status StepDense();
  absl::Status TakeStatistics();
  bool TakeObserved();
  // `x` through a dense block, whose output goes to `out`, if that is defined, and whose inputs to `method`, if given.
  absl::Status Observe(int64_t block_index, const BlockWeights& weights, const Activations& x, PruningMethod* method,
                       const Activations& out, const std::function<absl::Status(int64_t)>& step);
  absl::Status Sweep();
  absl::Status LookAhead();
  absl::Status Prune();
  absl::Status Recover();
  absl::Status Write();
  absl::Status WriteLinear(Linear linear);
  absl::StatusOr<double> FinalLoss();

  const bool own_block_;
  const PruneRequest& request_;
  const BesaOptions options_;
  // The windows that are walked, and with whom.
  const SampleShare walked_;
  RankGroup& group_;
  // Those that the block is trained on, and with whom.
  const SampleShare share_;
  RankGroup& ranks_;
  const BlockShape shape_;
  const at::TensorOptions tensor_options_;
  const Placement placement_;
  HeldStreams& streams_;
  Observed& observed_;
  BlockWorkspace& workspace_;
  BlockReadAhead& ahead_;
  StageReporter& reporter_;

  BlockPruning result_;
  // Of result_.tensors, until they are on the device for good.
  BlockTensors staged_;
  // Whether workspace_.dense() holds this block.
  bool uploaded_ = false;
  // The block before this one as it was committed, while it is read.
  BlockReadAhead committed_;
  // What enters the block, and what its output is compared with, [samples trained on here, length, hidden].
  Activations x_;
  Activations reference_;
  // What the next block makes of the reference, if the loss looks ahead, and the statistics of that pass.
  Activations next_reference_;
  std::unique_ptr<PruningMethod> next_method_;
  // What the dense model has in front of the block, if recovery takes it (KeepsDenseInputs).
  Activations dense_inputs_;
  std::unique_ptr<PruningMethod> method_;
  MethodResult pruned_;
};

// Where the pruned stream stands before the last committed block, as it mostly does, that one is read from the first
// moment on: the device steps the dense stream meanwhile.
void BlockJob::BeginCommitted() {
  const int64_t last = request_.block - 1;
  if (!streams_.pruned.activations.defined() || streams_.pruned.block != last) return;
  std::vector<std::string> names;
  for (const auto& [name, shape] : storage::BlockTensorShapes(*request_.config, last)) names.push_back(name);
  // The request outlives this job, and so the reading.
  committed_.Begin(request_.stream_key,
                   {{.block = last,
                     .tensors = std::move(names),
                     .source = std::shared_ptr<const storage::TensorSource>(std::shared_ptr<void>(), request_.pruned)}},
                   ReadFor::kWalking);
}

absl::Status BlockJob::Load() {
  const std::vector<std::string>& names = request_.block_tensors;
  RETURN_IF_ERROR(reporter_.Begin("load", std::ssize(names)));
  ASSIGN_OR_RETURN(std::optional<ReadBlock> read,
                   ahead_.Take(request_.stream_key, request_.block, names, [&] { return reporter_.Step(0); }));
  if (read) {
    RETURN_IF_ERROR(reporter_.Step(std::ssize(names)));
  } else {
    ASSIGN_OR_RETURN(read, ReadBlockTensors(*request_.dense, request_.block, names, tensor_options_.device(),
                                            ReadFor::kPruning, [&](int64_t done) { return reporter_.Step(done); }));
  }
  result_.tensors = std::move(read->tensors);
  result_.input_sha256 = std::move(read->sha256);
  staged_ = std::move(read->staged);
  // From here on the store has nothing else to do for this block.
  ahead_.Begin(request_.stream_key, request_.next, ReadFor::kPruning);
  return absl::OkStatus();
}

// The dense stream, if it stands in front of the block already: it becomes the reference.
absl::Status BlockJob::StepReference() {
  const ActivationStream& dense = streams_.dense;
  if (!own_reference() || !dense.activations.defined() || dense.block != request_.block) return absl::OkStatus();
  RETURN_IF_ERROR(reporter_.Begin("statistics", samples()));
  RETURN_IF_ERROR(UploadDense());
  return StepDense();
}

absl::Status BlockJob::StepDense() {
  if (KeepsDenseInputs(options_)) dense_inputs_ = streams_.dense.activations.Copy();
  return Walker().StepDense(streams_.dense);
}

absl::Status BlockJob::Walk() {
  const int64_t to = request_.block;
  const bool dense = TakesDenseStream(options_);
  const bool pruned = TakesPrunedStream(options_);
  StreamWalker walker = Walker();
  RETURN_IF_ERROR(reporter_.Begin(
      "walk", (dense ? walker.Steps(streams_.dense, to) : 0) + (pruned ? walker.Steps(streams_.pruned, to) : 0)));
  if (dense) {
    if (streams_.dense.block < to || !streams_.dense.activations.defined()) uploaded_ = false;
    RETURN_IF_ERROR(walker.WalkDense(to, streams_.dense));
  }
  if (pruned) RETURN_IF_ERROR(WalkCommitted(walker));
  x_ = pruned ? streams_.pruned.activations : streams_.dense.activations;
  return absl::OkStatus();
}

absl::Status BlockJob::WalkCommitted(StreamWalker& walker) {
  const int64_t to = request_.block;
  if (streams_.pruned.block < to || !streams_.pruned.activations.defined()) uploaded_ = false;
  if (committed_.reading()) {
    std::vector<std::string> names;
    for (const auto& [name, shape] : storage::BlockTensorShapes(*request_.config, to - 1)) names.push_back(name);
    ASSIGN_OR_RETURN(const std::optional<ReadBlock> read,
                     committed_.Take(request_.stream_key, to - 1, names, [&] { return reporter_.Step(0); }));
    if (read) {
      BlockWeights& weights = workspace_.dense();
      weights.shape = BlockShape::Of(*request_.config, to - 1);
      RETURN_IF_ERROR(UploadBlock(read->staged, to - 1, weights));
      RETURN_IF_ERROR(walker.StepPruned(streams_.pruned));
    }
  }
  return walker.WalkPruned(to, streams_.pruned);
}

absl::Status BlockJob::UploadDense() {
  if (uploaded_) return absl::OkStatus();
  // A walk may have left another block there.
  workspace_.dense().shape = shape_;
  RETURN_IF_ERROR(UploadBlock(staged_, request_.block, workspace_.dense()));
  uploaded_ = true;
  return absl::OkStatus();
}

absl::Status BlockJob::TakeStatistics() {
  const bool own_pass = own_reference();
  // Unless it was stepped already.
  const bool step_dense = own_pass && streams_.dense.block == request_.block;
  const int64_t before = step_dense ? samples() : 0;
  RETURN_IF_ERROR(reporter_.Begin("statistics", before + samples()));
  RETURN_IF_ERROR(UploadDense());
  staged_.clear();
  if (step_dense) RETURN_IF_ERROR(StepDense());
  if (own_pass) reference_ = streams_.dense.activations;
  if (TakeObserved()) return reporter_.Step(before + samples());
  if (!own_pass) reference_ = Activations::Allocate(x_.sizes(), tensor_options_, placement_);
  method_ = MakeMethod(options_.method, shape_, tensor_options_);
  RETURN_IF_ERROR(Observe(request_.block, dense(), x_, method_.get(), own_pass ? Activations() : reference_,
                          [&](int64_t windows) { return reporter_.Step(before + windows); }));
  method_->AddUp(ranks_);
  return absl::OkStatus();
}

// What looking ahead from the block before has left.
bool BlockJob::TakeObserved() {
  Observed observed = std::exchange(observed_, {});
  ActivationStream behind = std::exchange(streams_.dense_behind, {});
  if (!behind.activations.defined() || observed.by != options_.method) return false;
  reference_ = std::move(behind.activations);
  method_ = std::move(observed.method);
  return true;
}

absl::Status BlockJob::Observe(int64_t block_index, const BlockWeights& weights, const Activations& x,
                               PruningMethod* method, const Activations& out,
                               const std::function<absl::Status(int64_t)>& step) {
  FiniteWatch watch(tensor_options_.device());
  // The batch whose output is not yet known to be good begins here.
  int64_t pending = 0;
  const auto settle = [&](int64_t end) -> absl::Status {
    if (end == pending) return absl::OkStatus();
    if (!watch.NextIsFinite()) {
      BlockState state;
      const at::Tensor y = block().Forward(x.Batch(pending, end - pending), weights, &state);
      return CheckActivations(block_index, state, y);
    }
    pending = end;
    return step(end);
  };
  ActivationFeed feed({x}, BatchesOf(x.windows(), walk_batch()));
  std::optional<ActivationSink> sink;
  if (out.defined()) sink.emplace(out);
  RETURN_IF_ERROR(ForEachBatch(x.windows(), walk_batch(), [&](int64_t first, int64_t) -> absl::Status {
    BlockState state;
    const at::Tensor y = block().Forward(feed.Next()[0], weights, method == nullptr ? nullptr : &state);
    watch.Queue(y);
    if (method != nullptr) method->Observe(state);
    if (sink) sink->Write(first, y);
    return settle(first);
  }));
  return settle(x.windows());
}

// To the first block of the group, and through those of all ranks.
absl::Status BlockJob::Sweep() {
  observed_ = {};
  streams_.dense_behind = {};
  const int64_t first = request_.block - group_.rank();
  StreamWalker walker = Walker();
  RETURN_IF_ERROR(reporter_.Begin("walk", walker.Steps(streams_.dense, first)));
  RETURN_IF_ERROR(walker.WalkDense(first, streams_.dense));
  RETURN_IF_ERROR(reporter_.Begin("statistics", group_.size() * samples()));
  const auto upload = [this] {
    uploaded_ = false;
    return UploadDense();
  };
  ASSIGN_OR_RETURN(SweptBlock swept, SweepGroup({.request = request_,
                                                 .share = walked_,
                                                 .ranks = group_,
                                                 .options = tensor_options_,
                                                 .placement = placement_,
                                                 .block = block(),
                                                 .weights = workspace_.dense(),
                                                 .upload = upload,
                                                 .reporter = reporter_},
                                                streams_.dense));
  x_ = std::move(swept.x);
  reference_ = std::move(swept.reference);
  method_ = std::move(swept.method);
  // There lies the last rank's block now.
  uploaded_ = group_.rank() + 1 == group_.size();
  RETURN_IF_ERROR(UploadDense());
  staged_.clear();
  return absl::OkStatus();
}

// The next block's weights, and what it makes of the reference. Behind the last block there is nothing to look at.
//
// Where that pass is the one that the next block's statistics are taken in (ObservesAhead), they are kept for it.
absl::Status BlockJob::LookAhead() {
  const int64_t next = request_.block + 1;
  if (!LooksAhead(options_) || next == request_.config->num_hidden_layers) return absl::OkStatus();
  RETURN_IF_ERROR(reporter_.Begin("lookahead", reference_.windows()));
  const BlockShape shape = BlockShape::Of(*request_.config, next);
  BlockWeights& weights = workspace_.Next(shape);
  // As a rule it is being read ahead, to be pruned.
  ASSIGN_OR_RETURN(const BlockTensors* const read,
                   ahead_.Peek(request_.stream_key, next, [&] { return reporter_.Step(0); }));
  RETURN_IF_ERROR(read != nullptr ? UploadBlock(*read, next, weights) : LoadBlock(*request_.dense, next, weights));
  next_reference_ = Activations::Allocate(reference_.sizes(), tensor_options_, placement_);
  const bool observe = ObservesAhead(options_) && !own_block_;
  if (observe) next_method_ = MakeMethod(options_.method, shape, tensor_options_);
  RETURN_IF_ERROR(Observe(next, weights, reference_, next_method_.get(), next_reference_,
                          [&](int64_t windows) { return reporter_.Step(windows); }));
  if (observe) next_method_->AddUp(ranks_);
  return absl::OkStatus();
}

absl::Status BlockJob::Prune() {
  const BlockInputs inputs = {.options = options_,
                              .block = block(),
                              .block_index = request_.block,
                              .dense = dense(),
                              .x = x_,
                              .reference = reference_,
                              .next_reference = next_reference_,
                              .share = share_,
                              .workspace = &workspace_};
  ASSIGN_OR_RETURN(pruned_, method_->Prune(inputs, reporter_));
  method_.reset();
  result_.loss = std::move(pruned_.loss);
  result_.sparsity = std::move(pruned_.sparsity);
  result_.skipped_steps = pruned_.skipped_steps;
  result_.warnings = std::move(pruned_.warnings);
  return absl::OkStatus();
}

absl::Status BlockJob::Recover() {
  if (!options_.recovery.given()) return absl::OkStatus();
  const Passes passes = {.epochs = options_.recovery.epochs, .batch_size = options_.recovery.batch_size};
  RETURN_IF_ERROR(reporter_.Begin("recover", passes.Steps(share_.samples)));
  RecoveryTrainer& trainer =
      workspace_.Recovery(options_.recovery, passes.Steps(share_.samples), next_reference_.defined());
  trainer.Begin(pruned_.linears);
  for (Linear linear : kAllLinears) pruned_.linears[linear].weight = trainer.master(linear);
  const auto step = [&](const TrainingBatch& batch) { return trainer.Step(batch); };
  TrainingData data = {.x = {x_}, .reference = reference_, .next_reference = next_reference_};
  if (KeepsDenseInputs(options_)) {
    data.x.resize(static_cast<size_t>(options_.recovery.dense_every), x_);
    data.x.back() = dense_inputs_;
  }
  ASSIGN_OR_RETURN(TrainingLog log, RunTraining(step, data, share_, passes, request_.block, reporter_));
  result_.recovery_loss = std::move(log.loss);
  result_.skipped_steps += log.skipped_steps;
  return absl::OkStatus();
}

absl::Status BlockJob::Write() {
  RETURN_IF_ERROR(reporter_.Begin("write", kLinears + 1));
  for (Linear linear : kAllLinears) {
    RETURN_IF_ERROR(WriteLinear(linear));
    RETURN_IF_ERROR(reporter_.Step(linear + 1));
  }
  RETURN_IF_ERROR(CheckAgreement(request_.block, result_.linears, workspace_.pruned(), ranks_));
  ASSIGN_OR_RETURN(result_.final_loss, FinalLoss());
  workspace_.Trim();
  // The dense block's output on the dense model's activations is the next block's input. The pruned stream stays in
  // front of the block: it goes on from what will have been committed.
  if (!TakesPrunedStream(options_) && !own_block_) {
    streams_.dense = {.key = request_.stream_key, .block = request_.block + 1, .activations = reference_};
    if (next_method_ != nullptr) {
      streams_.dense_behind = {.key = request_.stream_key, .block = request_.block + 2, .activations = next_reference_};
      observed_ = {.by = options_.method, .method = std::move(next_method_)};
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<double> BlockJob::FinalLoss() {
  LossSum loss(shape_.hidden, tensor_options_.device());
  const int64_t measured = share_.Before(cost::FinalLossSamples(share_.samples, request_.calibration->length));
  ActivationFeed feed({x_, reference_}, BatchesOf(measured, walk_batch()));
  RETURN_IF_ERROR(ForEachBatch(measured, walk_batch(), [&](int64_t, int64_t) -> absl::Status {
    const ActivationFeed::Batch batch = feed.Next();
    const at::Tensor y = block().Forward(batch[0], workspace_.pruned(), nullptr);
    if (CountNonFinite(y) > 0) {
      return BadNumbers(request_.block, GroupName(kMlpOut), "the pruned block's output is NaN or infinite");
    }
    loss.Add(y, batch[1]);
    return absl::OkStatus();
  }));
  return loss.Loss(ranks_);
}

// Into the checkpoint's bytes, and for the final loss into the workspace.
absl::Status BlockJob::WriteLinear(Linear linear) {
  LinearPruning& pruning = pruned_.linears[linear];
  const std::string name = absl::StrCat(storage::BlockPrefix(request_.block), LinearName(linear), ".weight");
  storage::HostTensor& tensor =
      *std::find_if(result_.tensors.begin(), result_.tensors.end(), [&](const auto& t) { return t.name == name; });
  ASSIGN_OR_RETURN(const at::Tensor host, AsTensor(tensor));

  at::Tensor values = dense().linear(linear);
  if (pruning.weight.defined()) {
    host.copy_(pruning.weight);
    // As rounded to the checkpoint's dtype.
    values = host.to(tensor_options_);
    if (CountNonFinite(values) > 0) {
      return BadNumbers(request_.block, LinearName(linear), "updated weights are NaN or infinite");
    }
  }
  const at::Tensor counts = at::from_blob(pruning.pruned.data(), {shape_.Rows(linear)}, at::TensorOptions(at::kInt));
  const at::Tensor masked = workspace_.pruned().linear(linear);
  WriteMasked(values, pruning.order, counts.to(tensor_options_.device()), masked);

  int64_t zeros = 0;
  if (host.scalar_type() == masked.scalar_type()) {
    // Computed with in the checkpoint's own dtype: these are its bytes.
    const at::Tensor count = at::empty({}, masked.options().dtype(at::kLong));
    CountZeros(masked, count);
    host.copy_(masked);
    zeros = count.item<int64_t>();
  } else {
    const at::Tensor order = pruning.order.cpu();
    const auto* ranked = reinterpret_cast<const uint16_t*>(order.data_ptr<int16_t>());
    ZeroLeastImportant(tensor, {ranked, static_cast<size_t>(order.numel())}, pruning.pruned);
    zeros = CountZeros(tensor);
  }
  result_.linears.push_back({.name = LinearName(linear),
                             .rows = shape_.Rows(linear),
                             .cols = shape_.Cols(linear),
                             .rate = std::move(pruning.rate),
                             .pruned = std::move(pruning.pruned),
                             .zeros = zeros});
  pruning = {};
  return absl::OkStatus();
}

absl::StatusOr<BlockPruning> Finish(absl::StatusOr<BlockPruning> result, const ComputeDevice& device,
                                    StageReporter& reporter) {
  if (!result.ok()) return result;
  device.Synchronize();
  result->stages = reporter.Finish();
  return result;
}

}  // namespace

absl::StatusOr<BlockPruning> PruneBlock(const PruneRequest& request, const SampleShare& share, RankGroup& ranks,
                                        const ComputeDevice& device, Placement placement, KeptState& kept,
                                        StageReporter& reporter) {
  BlockJob job(Training::kTogether, request, share, ranks, device, placement, kept, reporter);
  return Finish(job.Run(), device, reporter);
}

absl::StatusOr<BlockPruning> PruneOwnBlock(const PruneRequest& request, const SampleShare& share, RankGroup& ranks,
                                           const ComputeDevice& device, Placement placement, KeptState& kept,
                                           StageReporter& reporter) {
  BlockJob job(Training::kOwnBlock, request, share, ranks, device, placement, kept, reporter);
  return Finish(job.Run(), device, reporter);
}

}  // namespace besa::pruner
