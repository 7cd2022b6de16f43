#include "worker/pruner/block_trainer.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include "cost/memory_plan.h"
#include "worker/kernels/kernels.h"
#include "worker/pruner/rms_norm.h"
#include "worker/pruner/tensor_kernels.h"

namespace besa::pruner {

// What memory is planned by.
static_assert(Prodigy::kStatesPerParameter == cost::kProdigyStates);
static_assert(kernels::kCandidates == cost::kCandidateRates);

namespace {

// Of a row of masked weights: what lies there was written by somebody else.
constexpr int32_t kUnknown = -1;

}  // namespace

BlockTrainer::BlockTrainer(const LlamaBlock& block, const BlockWeights& dense,
                           const std::array<at::Tensor, kLinears>& orders, const BlockWeights& masked,
                           const AllocationOptions& options, double d_coef, const BlockWeights* next, RankGroup& ranks)
    : block_(block),
      dense_(dense),
      orders_(orders),
      allocation_(block.shape(), options, dense.groups[kQkv].device()),
      optimizer_(allocation_.beta(), d_coef, allocation_.scratch()),
      masked_(masked),
      next_(next),
      ranks_(ranks),
      graph_([this](const TrainingBatch& batch) { return ComputeStep(batch); }) {
  gradients_ = SharedGroups(block.shape(), dense.groups[kQkv].options());
  written_ = at::full({block.shape().TotalRows()}, kUnknown, dense.groups[kQkv].options().dtype(at::kInt));
  histogram_ = at::empty({block.shape().TotalRows(), kernels::kCandidates},
                         dense.groups[kQkv].options().dtype(AccumulatorType(dense.groups[kQkv].scalar_type())));
}

void BlockTrainer::WriteMaskedWeights(const at::Tensor& pruned) {
  for (Linear linear : kAllLinears) {
    UpdateMasked(dense_.linear(linear), orders_[linear], allocation_.RowsOf(linear, pruned),
                 allocation_.RowsOf(linear, written_), masked_.linear(linear));
  }
}

int64_t BlockTrainer::bytes() const {
  return static_cast<int64_t>(gradients_[kQkv].storage().nbytes() + histogram_.nbytes() + written_.nbytes() +
                              (2 + Prodigy::kStatesPerParameter) * allocation_.beta().nbytes());
}

void BlockTrainer::Restart() {
  allocation_.beta().zero_();
  // Another block's weights and orders, or another's hand in the masked weights.
  written_.fill_(kUnknown);
  optimizer_.Restart();
}

at::Tensor BlockTrainer::Gradient(const TrainingBatch& batch, at::Tensor& loss, Allocation::Rates& rates) {
  const at::Tensor& x = batch[0];
  rates = allocation_.Forward();
  WriteMaskedWeights(rates.pruned);
  const bool any = x.size(0) > 0;
  BlockState state;
  const at::Tensor y = any ? block_.Forward(x, masked_, &state) : x;
  const LossAndGradient result = BlockLoss(block_, next_, y, batch, ranks_);
  if (any) {
    block_.Backward(result.gradient, masked_, state, gradients_, [&](Group group, const at::Tensor& gradient) {
      for (Linear linear : kAllLinears) {
        if (GroupOf(linear) != group) continue;
        BucketHistogram(dense_.linear(linear), LinearOfGroup(dense_.shape, linear, gradient), orders_[linear],
                        allocation_.RowsOf(linear, histogram_));
      }
    });
  } else {
    histogram_.zero_();
  }
  // All that the gradient hangs on, in one memory. The penalty comes afterwards, once.
  ranks_.AllReduceSum(histogram_);
  loss = result.loss;
  return allocation_.Backward(rates, histogram_);
}

at::Tensor BlockTrainer::Step(const TrainingBatch& batch) { return graph_.Run(batch); }

at::Tensor BlockTrainer::ComputeStep(const TrainingBatch& batch) {
  at::Tensor loss;
  Allocation::Rates rates;
  const at::Tensor gradient = Gradient(batch, loss, rates);
  const Allocation::Finite finite = allocation_.CheckFinite(gradient);
  const at::Tensor record = at::empty({StepRecord::kSize}, allocation_.beta().options());
  record.select(0, StepRecord::kLoss).copy_(loss);
  record.select(0, StepRecord::kSparsity).copy_(rates.sparsity);
  record.select(0, StepRecord::kD).copy_(optimizer_.d());
  record.narrow(0, StepRecord::kFinite, kLinears).copy_(finite.linears);
  optimizer_.Step(gradient, finite.all);
  return record;
}

}  // namespace besa::pruner
