#include "worker/pruner/block_trainer.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/stack.h>

#include <algorithm>

#include "worker/kernels/kernels.h"
#include "worker/pruner/reconstruction_loss.h"
#include "worker/pruner/rms_norm.h"
#include "worker/pruner/tensor_kernels.h"

namespace besa::pruner {
BlockTrainer::BlockTrainer(const LlamaBlock& block, const BlockWeights& dense,
                           const std::array<at::Tensor, kLinears>& orders, const AllocationOptions& options,
                           double d_coef)
    : block_(block),
      dense_(dense),
      orders_(orders),
      allocation_(block.shape(), options, dense.groups[kQkv].device()),
      optimizer_(allocation_.beta(), d_coef),
      masked_(dense.WithOwnLinears()) {
  int64_t largest = 0;
  for (const at::Tensor& group : dense.groups) largest = std::max(largest, group.numel());
  gradient_buffer_ = at::empty({largest}, dense.groups[kQkv].options());
  histogram_ = at::empty({block.shape().TotalRows(), kernels::kCandidates},
                         dense.groups[kQkv].options().dtype(AccumulatorType(dense.groups[kQkv].scalar_type())));
}

const BlockWeights& BlockTrainer::Masked(const at::Tensor& pruned) {
  for (Linear linear : kAllLinears) {
    WriteMasked(dense_.linear(linear), orders_[linear], allocation_.RowsOf(linear, pruned), masked_.linear(linear));
  }
  return masked_;
}

at::Tensor BlockTrainer::Gradient(const at::Tensor& x, const at::Tensor& reference, StepResult& result) {
  const Allocation::Rates rates = allocation_.Forward();
  const BlockWeights& masked = Masked(rates.pruned);
  BlockState state;
  const at::Tensor y = block_.Forward(x, masked, &state);
  const LossAndGradient loss = ReconstructionLoss(y, reference);
  block_.Backward(loss.gradient, masked, state, gradient_buffer_, [&](Group group, const at::Tensor& gradient) {
    for (Linear linear : kAllLinears) {
      if (GroupOf(linear) != group) continue;
      BucketHistogram(dense_.linear(linear), LinearOfGroup(dense_.shape, linear, gradient), orders_[linear],
                      allocation_.RowsOf(linear, histogram_));
    }
  });
  result.loss = loss.loss;
  result.sparsity = rates.sparsity;
  result.d = optimizer_.d();
  return allocation_.Backward(rates, histogram_);
}

StepResult BlockTrainer::Step(const at::Tensor& x, const at::Tensor& reference) {
  StepResult result;
  const at::Tensor gradient = Gradient(x, reference, result);
  std::vector<at::Tensor> finite;
  for (Linear linear : kAllLinears) finite.push_back(allocation_.GroupsOf(linear, gradient).isfinite().all());
  result.finite = at::stack(finite);
  optimizer_.Step(gradient, result.finite.all());
  return result;
}

}  // namespace besa::pruner
