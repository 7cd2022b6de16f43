// Magnitude pruning as the Wanda paper's baseline does it: of each linear, the weights of smallest |W| go; the
// calibration samples are not looked at. All linears lose the same share.
#include <ATen/ops/ones.h>

#include <vector>

#include "storage/base/status_macros.h"
#include "worker/pruner/exact_sparsity.h"
#include "worker/pruner/mask.h"
#include "worker/pruner/pruning_method.h"
#include "worker/pruner/rms_norm.h"

namespace besa::pruner {
namespace {

class MagnitudeMethod final : public PruningMethod {
 public:
  explicit MagnitudeMethod(const BlockShape& shape) : shape_(shape) {}

  void Observe(const BlockState&) override {}
  void AddUp(RankGroup&) override {}

  absl::StatusOr<MethodResult> Prune(const BlockInputs& inputs, StageReporter& reporter) override {
    RETURN_IF_ERROR(reporter.Begin("solve", kLinears));
    std::vector<RowRate> linears;
    for (Linear linear : kAllLinears) {
      linears.push_back({.cols = shape_.Rows(linear) * shape_.Cols(linear), .rate = inputs.options.sparsity});
    }
    const std::vector<int32_t> counts = ExactSparsity(linears, inputs.options.sparsity);
    MethodResult result;
    for (Linear linear : kAllLinears) {
      const at::Tensor magnitude = inputs.dense.linear(linear).abs();
      result.linears[linear] =
          FromMask(inputs.options.pattern.given() ? SmallestOfGroups(magnitude, inputs.options.pattern)
                                                  : SmallestOfAll(magnitude, counts[linear]));
      result.linears[linear].squares =
          at::ones({shape_.Cols(linear)}, magnitude.options().dtype(AccumulatorType(magnitude.scalar_type())));
      result.linears[linear].pattern = inputs.options.pattern;
      RETURN_IF_ERROR(reporter.Step(linear + 1));
    }
    return result;
  }

 private:
  const BlockShape shape_;
};

}  // namespace

std::unique_ptr<PruningMethod> MakeMagnitude(const BlockShape& shape) {
  return std::make_unique<MagnitudeMethod>(shape);
}

}  // namespace besa::pruner
