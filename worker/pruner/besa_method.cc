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
  BesaMethod(const BlockShape& shape, const at::TensorOptions& tensor_options)
      : shape_(shape), statistics_(shape, tensor_options) {}

  void Observe(const BlockState& state) override { statistics_.Add(state); }
  void AddUp(RankGroup& ranks) override { statistics_.AddUp(ranks); }

  absl::StatusOr<MethodResult> Prune(const BlockInputs& inputs, StageReporter& reporter) override {
    const BesaOptions& options = inputs.options;
    const int64_t samples = inputs.share.samples;
    RETURN_IF_ERROR(statistics_.CheckFinite(inputs.block_index));
    const std::array<at::Tensor, kLinears>& orders = inputs.workspace->orders();
    RankLinears(inputs.dense, statistics_, samples, orders);

    const Passes passes = {.epochs = options.epochs,
                           .batch_size = options.batch_size,
                           .looking_ahead = WindowsLookingAhead(options, options.batch_size)};
    RETURN_IF_ERROR(reporter.Begin("train", passes.Steps(samples)));
    const AllocationOptions allocation = {
        .sparsity = options.sparsity, .granularity = options.granularity, .prior_sigma = options.prior_sigma};
    BlockTrainer& trainer = inputs.workspace->Trainer(allocation, options.d_coef, inputs.next_reference.defined());
    const auto step = [&](const TrainingBatch& batch) { return trainer.Step(batch); };
    const TrainingData data = {.x = {inputs.x}, .reference = inputs.reference, .next_reference = inputs.next_reference};
    ASSIGN_OR_RETURN(TrainingLog log, RunTraining(step, data, inputs.share, passes, inputs.block_index, reporter));

    MethodResult result{
        .loss = std::move(log.loss), .sparsity = std::move(log.sparsity), .skipped_steps = log.skipped_steps};
    const std::vector<double> rates = trainer.allocation().FinalRates();
    const std::vector<int32_t> pruned = FinalCounts(options, trainer.allocation(), rates);
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
  std::vector<int32_t> FinalCounts(const BesaOptions& options, const Allocation& allocation,
                                   const std::vector<double>& rates) const {
    if (options.preset == Preset::kPaper) {
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
    return ExactSparsity(rows, options.sparsity);
  }

  const BlockShape shape_;
  InputStatistics statistics_;
};

}  // namespace

std::unique_ptr<PruningMethod> MakeBesa(const BlockShape& shape, const at::TensorOptions& tensor_options) {
  return std::make_unique<BesaMethod>(shape, tensor_options);
}

}  // namespace besa::pruner
