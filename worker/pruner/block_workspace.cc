#include "worker/pruner/block_workspace.h"

#include <ATen/ops/empty.h>
#include <c10/cuda/CUDACachingAllocator.h>

namespace besa::pruner {

void BlockWorkspace::LetGoOfTrainers() {
  if (trainer_ == nullptr && recovery_ == nullptr) return;
  trainer_.reset();
  recovery_.reset();
  if (tensor_options_.device().is_cuda()) c10::cuda::CUDACachingAllocator::emptyCache();
}

void BlockWorkspace::JoinRanks(RankGroup& ranks) {
  if (&ranks == ranks_) return;
  LetGoOfTrainers();
  ranks_ = &ranks;
}

void BlockWorkspace::Prepare(const BlockShape& shape, int64_t length, const at::TensorOptions& options) {
  // Windows cost no memory.
  BlockShape with_window = dense_.shape;
  with_window.window = shape.window;
  const bool same = block_.has_value() && with_window == shape && length_ == length &&
                    tensor_options_.device() == options.device() && tensor_options_.dtype() == options.dtype();
  if (same) {
    // A recorded step has that of its blocks in it.
    if (dense_.shape.window != shape.window) LetGoOfTrainers();
    dense_.shape = shape;
    pruned_.shape = shape;
    return;
  }
  Clear();
  block_.emplace(shape, length, options);
  length_ = length;
  tensor_options_ = options;
  dense_ = BlockWeights::Allocate(shape, options);
}

void BlockWorkspace::Clear() {
  const bool cuda = block_.has_value() && tensor_options_.device().is_cuda();
  trainer_.reset();
  recovery_.reset();
  orders_ = {};
  dense_ = {};
  pruned_ = {};
  next_ = {};
  block_.reset();
  if (cuda) c10::cuda::CUDACachingAllocator::emptyCache();
}

void BlockWorkspace::Trim() {
  if (trainer_ == nullptr && recovery_ == nullptr) pruned_ = {};
}

int64_t BlockWorkspace::bytes() const {
  int64_t bytes = trainer_ == nullptr ? 0 : trainer_->bytes();
  if (recovery_ != nullptr) bytes += recovery_->bytes();
  const auto add = [&](const at::Tensor& tensor) {
    if (tensor.defined()) bytes += static_cast<int64_t>(tensor.nbytes());
  };
  for (const at::Tensor& group : dense_.groups) add(group);
  for (const at::Tensor& group : pruned_.groups) add(group);
  for (const at::Tensor& group : next_.groups) add(group);
  for (const at::Tensor& order : orders_) add(order);
  return bytes;
}

const std::array<at::Tensor, kLinears>& BlockWorkspace::orders() {
  for (Linear linear : kAllLinears) {
    if (orders_[linear].defined()) continue;
    const at::Tensor weight = dense_.linear(linear);
    orders_[linear] = at::empty(weight.sizes(), weight.options().dtype(at::kShort));
  }
  return orders_;
}

BlockWeights& BlockWorkspace::pruned() {
  if (!pruned_.groups[kQkv].defined()) pruned_ = dense_.WithOwnLinears();
  return pruned_;
}

BlockWeights& BlockWorkspace::Next(const BlockShape& shape) {
  if (!next_.groups[kQkv].defined()) next_ = BlockWeights::Allocate(shape, tensor_options_);
  if (next_.shape.window != shape.window) LetGoOfTrainers();
  next_.shape = shape;
  return next_;
}

BlockTrainer& BlockWorkspace::Trainer(const AllocationOptions& options, double d_coef, bool looks_ahead) {
  if (trainer_ != nullptr && trainer_options_ == options && trainer_d_coef_ == d_coef &&
      trainer_looks_ahead_ == looks_ahead) {
    trainer_->Restart();
    return *trainer_;
  }
  trainer_.reset();
  trainer_ = std::make_unique<BlockTrainer>(*block_, dense_, orders(), pruned(), options, d_coef,
                                            looks_ahead ? &next_ : nullptr, *ranks_);
  trainer_options_ = options;
  trainer_d_coef_ = d_coef;
  trainer_looks_ahead_ = looks_ahead;
  return *trainer_;
}

RecoveryTrainer& BlockWorkspace::Recovery(const RecoveryOptions& options, int64_t steps, bool looks_ahead) {
  if (recovery_ != nullptr && recovery_options_ == options && recovery_steps_ == steps &&
      recovery_looks_ahead_ == looks_ahead) {
    return *recovery_;
  }
  recovery_.reset();
  recovery_ = std::make_unique<RecoveryTrainer>(*block_, dense_, pruned(), options, steps,
                                                looks_ahead ? &next_ : nullptr, *ranks_);
  recovery_options_ = options;
  recovery_steps_ = steps;
  recovery_looks_ahead_ = looks_ahead;
  return *recovery_;
}

}  // namespace besa::pruner
