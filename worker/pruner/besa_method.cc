// BESA: the allocation of the block is learned. See docs/method.md.
#include <ATen/core/Tensor.h>

#include <utility>

#include "storage/base/status_macros.h"
#include "worker/pruner/block_trainer.h"
#include "worker/pruner/block_workspace.h"
#include "worker/pruner/exact_sparsity.h"
#include "worker/pruner/importance.h"
#include "worker/pruner/pruning_method.h"
#include "worker/pruner/training_run.h"

namespace besa::pruner {
namespace {

class BesaMethod final : public PruningMethod {
 public:
  BesaMethod(const BesaOptions& options, const BlockShape& shape, const at::TensorOptions& tensor_options)
      : options_(options), shape_(shape), statistics_(shape, tensor_options) {}

  void Observe(const BlockState& state) override { statistics_.Add(state); }
  void AddUp(RankGroup& ranks) override { statistics_.AddUp(ranks); }

  absl::StatusOr<MethodResult> Prune(const BlockInputs& inputs, StageReporter& reporter) override {
    const int64_t samples = inputs.share.samples;
    RETURN_IF_ERROR(statistics_.CheckFinite(inputs.block_index));
    const std::array<at::Tensor, kLinears>& orders = inputs.workspace->orders();
    RankLinears(inputs.dense, statistics_, samples, orders);

    const Passes passes = {.epochs = options_.epochs, .batch_size = options_.batch_size};
    RETURN_IF_ERROR(reporter.Begin("train", passes.Steps(samples)));
    const AllocationOptions allocation = {
        .sparsity = options_.sparsity, .granularity = options_.granularity, .prior_sigma = options_.prior_sigma};
    BlockTrainer& trainer = inputs.workspace->Trainer(allocation, options_.d_coef);
    const auto step = [&](const at::Tensor& x, const at::Tensor& reference) { return trainer.Step(x, reference); };
    ASSIGN_OR_RETURN(TrainingLog log, RunTraining(step, {inputs.x}, inputs.reference, inputs.share, passes,
                                                  inputs.block_index, reporter));

    MethodResult result{
        .loss = std::move(log.loss), .sparsity = std::move(log.sparsity), .skipped_steps = log.skipped_steps};
    const std::vector<double> rates = trainer.allocation().FinalRates();
    const std::vector<int32_t> pruned = FinalCounts(trainer.allocation(), rates);
    int64_t row = 0;
    for (Linear linear : kAllLinears) {
      const int64_t end = row + shape_.Rows(linear);
      result.linears[linear] = {.order = orders[linear],
                                .pruned = {pruned.begin() + row, pruned.begin() + end},
                                .rate = {rates.begin() + row, rates.begin() + end},
                                .squares = statistics_.sums(GroupOf(linear))};
      row = end;
    }
    return result;
  }

 private:
  std::vector<int32_t> FinalCounts(const Allocation& allocation, const std::vector<double>& rates) const {
    if (options_.preset == Preset::kPaper) {
      // By the rule of training, whatever sparsity that gives.
      const at::Tensor pruned = allocation.Forward().pruned.cpu();
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

  const BesaOptions options_;
  const BlockShape shape_;
  InputStatistics statistics_;
};

}  // namespace

std::unique_ptr<PruningMethod> MakeBesa(const BesaOptions& options, const BlockShape& shape,
                                        const at::TensorOptions& tensor_options) {
  return std::make_unique<BesaMethod>(options, shape, tensor_options);
}

}  // namespace besa::pruner
