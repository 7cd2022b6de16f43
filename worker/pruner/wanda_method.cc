// Wanda (Sun et al. 2023, "A Simple and Effective Pruning Approach for Large Language Models"): of each row, the
// weights of least importance |W| * |x| go. All rows lose the same share.
#include <vector>

#include "storage/base/status_macros.h"
#include "worker/pruner/exact_sparsity.h"
#include "worker/pruner/importance.h"
#include "worker/pruner/mask.h"
#include "worker/pruner/pruning_method.h"

namespace besa::pruner {
namespace {

class WandaMethod final : public PruningMethod {
 public:
  WandaMethod(const BlockShape& shape, const at::TensorOptions& tensor_options)
      : shape_(shape), statistics_(shape, tensor_options) {}

  void Observe(const BlockState& state) override { statistics_.Add(state); }
  void AddUp(RankGroup& ranks) override { statistics_.AddUp(ranks); }

  absl::StatusOr<MethodResult> Prune(const BlockInputs& inputs, StageReporter& reporter) override {
    RETURN_IF_ERROR(statistics_.CheckFinite(inputs.block_index));
    RETURN_IF_ERROR(reporter.Begin("solve", kLinears));
    return inputs.options.pattern.given() ? WithPattern(inputs, reporter) : ByRow(inputs, reporter);
  }

 private:
  absl::StatusOr<MethodResult> ByRow(const BlockInputs& inputs, StageReporter& reporter) const {
    const std::vector<int32_t> counts = ExactSparsity(UniformRows(inputs.options.sparsity), inputs.options.sparsity);
    const std::array<at::Tensor, kLinears> orders = RankLinears(inputs.dense, statistics_, inputs.share.samples);
    MethodResult result;
    auto begin = counts.begin();
    for (Linear linear : kAllLinears) {
      const auto end = begin + shape_.Rows(linear);
      result.linears[linear] = {
          .order = orders[linear], .pruned = {begin, end}, .squares = statistics_.sums(GroupOf(linear))};
      result.linears[linear].rate.assign(static_cast<size_t>(shape_.Rows(linear)),
                                         static_cast<float>(inputs.options.sparsity));
      begin = end;
    }
    RETURN_IF_ERROR(reporter.Step(kLinears));
    return result;
  }

  absl::StatusOr<MethodResult> WithPattern(const BlockInputs& inputs, StageReporter& reporter) const {
    MethodResult result;
    for (Linear linear : kAllLinears) {
      const at::Tensor importance =
          Importance(inputs.dense.linear(linear), statistics_.sums(GroupOf(linear)), inputs.share.samples);
      result.linears[linear] = FromMask(SmallestOfGroups(importance, inputs.options.pattern));
      result.linears[linear].squares = statistics_.sums(GroupOf(linear));
      result.linears[linear].pattern = inputs.options.pattern;
      RETURN_IF_ERROR(reporter.Step(linear + 1));
    }
    return result;
  }

  std::vector<RowRate> UniformRows(double sparsity) const {
    std::vector<RowRate> rows;
    for (Linear linear : kAllLinears) {
      rows.insert(rows.end(), static_cast<size_t>(shape_.Rows(linear)),
                  {.cols = shape_.Cols(linear), .rate = sparsity});
    }
    return rows;
  }

  const BlockShape shape_;
  InputStatistics statistics_;
};

}  // namespace

std::unique_ptr<PruningMethod> MakeWanda(const BlockShape& shape, const at::TensorOptions& tensor_options) {
  return std::make_unique<WandaMethod>(shape, tensor_options);
}

}  // namespace besa::pruner
