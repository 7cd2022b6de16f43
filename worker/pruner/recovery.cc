#include "worker/pruner/recovery.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/threshold.h>
#include <ATen/ops/zeros.h>

#include <limits>

#include "cost/memory_plan.h"
#include "worker/pruner/importance.h"
#include "worker/pruner/mask.h"
#include "worker/pruner/rms_norm.h"
#include "worker/pruner/tensor_kernels.h"
#include "worker/pruner/tensor_view.h"

namespace besa::pruner {

// What memory is planned by.
static_assert(RecoveryTrainer::kStatesPerWeight == cost::kRecoveryStates);

namespace {

constexpr int64_t kClockSize = sizeof(kernels::AdamClock) / sizeof(double);

kernels::AdamClock* ClockOf(const at::Tensor& clock) {
  return reinterpret_cast<kernels::AdamClock*>(clock.data_ptr<double>());
}

}  // namespace

RecoveryTrainer::RecoveryTrainer(const LlamaBlock& block, const BlockWeights& dense, const BlockWeights& weights,
                                 const RecoveryOptions& options, int64_t steps, const BlockWeights* next,
                                 RankGroup& ranks)
    : block_(block),
      dense_(dense),
      weights_(weights),
      options_{.learning_rate = options.learning_rate, .steps = steps, .decay = options.decay},
      masks_(options.masks),
      growth_(options.masks, steps),
      next_(next),
      ranks_(ranks),
      graph_([this](const TrainingBatch& batch) { return ComputeStep(batch); }) {
  const at::TensorOptions own = weights.groups[kQkv].options();
  const at::TensorOptions state = own.dtype(AccumulatorType(weights.groups[kQkv].scalar_type()));
  master_ = BlockWeights::AllocateLinears(weights.shape, state);
  first_moment_ = BlockWeights::AllocateLinears(weights.shape, state);
  second_moment_ = BlockWeights::AllocateLinears(weights.shape, state);
  gradient_ = FlatGroups::Allocate(weights.shape, own);
  finite_ = at::empty({kLinears}, own.dtype(at::kBool));
  all_finite_ = at::empty({}, own.dtype(at::kBool));
  clock_ = at::empty({kClockSize}, own.dtype(at::kDouble));
  sparsity_ = at::empty({}, own.dtype(at::kDouble));
}

int64_t RecoveryTrainer::bytes() const {
  auto bytes = static_cast<int64_t>(gradient_.all.nbytes());
  for (const at::Tensor& group : master_.groups) bytes += kStatesPerWeight * static_cast<int64_t>(group.nbytes());
  return bytes;
}

void RecoveryTrainer::Begin(const std::array<LinearPruning, kLinears>& linears) {
  bool can_rank = true;
  for (Linear linear : kAllLinears) {
    const LinearPruning& pruning = linears[linear];
    can_rank = can_rank && pruning.squares.defined();
    removals_[linear] = {.order = pruning.order,
                         .squares = pruning.squares,
                         .pattern = pruning.pattern,
                         .counts = at::tensor(pruning.pruned, at::kInt).to(pruning.order.device())};
    master_.linear(linear).copy_(pruning.weight.defined() ? pruning.weight : dense_.linear(linear));
    first_moment_.linear(linear).zero_();
    second_moment_.linear(linear).zero_();
  }
  // A method that brings new weights with its masks has made the one for the other.
  growth_ = MaskGrowth(can_rank ? masks_ : RecoveryMasks::kFixed, options_.steps);
  step_ = 0;
  const double share = *growth_.ShareAt(0);
  Remove(share, /*rank_anew=*/share < 1.0);
  kernels::AdamClock begin;
  clock_.copy_(at::from_blob(&begin, {kClockSize}, at::kDouble));
}

at::Tensor RecoveryTrainer::Step(const TrainingBatch& batch) {
  if (const auto share = growth_.ShareAt(step_); share && step_ > 0) Remove(*share, /*rank_anew=*/true);
  ++step_;
  return graph_.Run(batch);
}

void RecoveryTrainer::Remove(double share, bool rank_anew) {
  const double smallest = std::numeric_limits<float>::min();
  sparsity_.zero_();
  for (Linear linear : kAllLinears) {
    const Removal& removal = removals_[linear];
    const at::Tensor master = master_.linear(linear);
    // What was removed is 0 and so comes first again, unless there are kept weights of no importance either: then the
    // two may change places, which changes no value.
    if (rank_anew && removal.pattern.given()) {
      removal.order.copy_(RankByGroups(Importance(master, removal.squares, 1), removal.pattern));
    } else if (rank_anew) {
      RankRows(master, removal.squares, /*samples=*/1, removal.order);
    }
    const at::Tensor counts =
        share < 1.0 ? removal.counts.to(at::kDouble).mul_(share).ceil_().to(at::kInt) : removal.counts;
    WriteMasked(master, removal.order, counts, master);
    weights_.linear(linear).copy_(master);
    const at::Tensor first_moment = first_moment_.linear(linear);
    WriteMasked(first_moment, removal.order, counts, first_moment);
    // Positive where a weight is kept, kRemoved where it is not.
    at::Tensor second_moment = second_moment_.linear(linear);
    second_moment.clamp_min_(smallest);
    WriteMasked(second_moment, removal.order, counts, second_moment);
    at::threshold_(second_moment, 0, kernels::kRemoved);
    sparsity_.add_(counts.sum(at::kDouble));
  }
  sparsity_.div_(static_cast<double>(weights_.shape.TotalWeights()));
}

at::Tensor RecoveryTrainer::ComputeStep(const TrainingBatch& batch) {
  const at::Tensor& x = batch[0];
  const bool any = x.size(0) > 0;
  BlockState state;
  const at::Tensor y = any ? block_.Forward(x, weights_, &state) : x;
  const LossAndGradient result = BlockLoss(block_, next_, y, batch, ranks_);
  if (any) {
    block_.Backward(result.gradient, weights_, state, gradient_.groups, [](Group, const at::Tensor&) {});
  } else {
    gradient_.all.zero_();
  }
  ranks_.AllReduceSum(gradient_.all);

  std::array<int64_t, kLinears + 1> begin{};
  for (Linear linear : kAllLinears) {
    begin[linear + 1] = begin[linear] + weights_.shape.Rows(linear) * weights_.shape.Cols(linear);
  }
  const kernels::Device device = DeviceOf(clock_);
  const kernels::Matrix gradient = MatrixOf(gradient_.all);
  Check(kernels::AllFinite(device, gradient.type, gradient.data, begin.data(), kLinears, finite_.data_ptr<bool>(),
                           all_finite_.data_ptr<bool>()));
  const at::Tensor record = at::zeros({StepRecord::kSize}, clock_.options());
  record.select(0, StepRecord::kLoss).copy_(result.loss);
  record.select(0, StepRecord::kSparsity).copy_(sparsity_);
  record.narrow(0, StepRecord::kFinite, kLinears).copy_(finite_);

  const bool* const apply = all_finite_.data_ptr<bool>();
  Check(kernels::AdamAdvance(device, options_, apply, ClockOf(clock_)));
  for (int group = 0; group < kGroups; ++group) {
    const kernels::AdamState adam = {.master = master_.groups[group].data_ptr(),
                                     .first_moment = first_moment_.groups[group].data_ptr(),
                                     .second_moment = second_moment_.groups[group].data_ptr()};
    Check(kernels::AdamStep(device, options_, ClockOf(clock_), apply, MatrixOf(gradient_.groups[group]),
                            MatrixOf(dense_.groups[group]), adam, MatrixOf(weights_.groups[group])));
  }
  return record;
}

}  // namespace besa::pruner
