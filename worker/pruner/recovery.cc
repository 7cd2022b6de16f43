#include "worker/pruner/recovery.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "cost/memory_plan.h"
#include "worker/pruner/reconstruction_loss.h"
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

RecoveryTrainer::RecoveryTrainer(const LlamaBlock& block, const BlockWeights& weights, const RecoveryOptions& options,
                                 int64_t steps)
    : block_(block),
      weights_(weights),
      options_{.learning_rate = options.learning_rate, .steps = steps},
      graph_([this](const at::Tensor& x, const at::Tensor& reference) { return ComputeStep(x, reference); }) {
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

void RecoveryTrainer::Begin(const BlockWeights& dense, const std::array<LinearPruning, kLinears>& linears) {
  int64_t removed = 0;
  for (Linear linear : kAllLinears) {
    const LinearPruning& pruning = linears[linear];
    for (const int32_t count : pruning.pruned) removed += count;
    const at::Tensor counts = at::tensor(pruning.pruned, at::kInt).to(pruning.order.device());
    const at::Tensor master = master_.linear(linear);
    master.copy_(pruning.weight.defined() ? pruning.weight : dense.linear(linear));
    WriteMasked(master, pruning.order, counts, master);
    weights_.linear(linear).copy_(master);
    // 0 where a weight is kept, kRemoved where it is not.
    const at::Tensor second_moment = second_moment_.linear(linear);
    second_moment.fill_(-kernels::kRemoved);
    WriteMasked(second_moment, pruning.order, counts, second_moment);
    second_moment.add_(kernels::kRemoved);
    first_moment_.linear(linear).zero_();
  }
  kernels::AdamClock begin;
  clock_.copy_(at::from_blob(&begin, {kClockSize}, at::kDouble));
  sparsity_.fill_(static_cast<double>(removed) / static_cast<double>(weights_.shape.TotalWeights()));
}

at::Tensor RecoveryTrainer::Step(const at::Tensor& x, const at::Tensor& reference) { return graph_.Run(x, reference); }

at::Tensor RecoveryTrainer::ComputeStep(const at::Tensor& x, const at::Tensor& reference) {
  BlockState state;
  const at::Tensor y = block_.Forward(x, weights_, &state);
  const LossAndGradient result = ReconstructionLoss(y, reference);
  block_.Backward(result.gradient, weights_, state, gradient_.groups, [](Group, const at::Tensor&) {});

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
    Check(kernels::AdamStep(device, options_, ClockOf(clock_), apply, MatrixOf(gradient_.groups[group]), adam,
                            MatrixOf(weights_.groups[group])));
  }
  return record;
}

}  // namespace besa::pruner
