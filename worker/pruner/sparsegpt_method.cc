// SparseGPT on a block: all linears from the dense block's own inputs. From the Hessians on in float64: a choice
// between two weights that hangs on a digit sends everything behind it another way, and this part is cheap.
#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "worker/pruner/errors.h"
#include "worker/pruner/hessian.h"
#include "worker/pruner/mask.h"
#include "worker/pruner/pruning_method.h"
#include "worker/pruner/rms_norm.h"
#include "worker/pruner/sparsegpt.h"

namespace besa::pruner {
namespace {

class SparseGptMethod final : public PruningMethod {
 public:
  SparseGptMethod(const BlockShape& shape, const at::TensorOptions& tensor_options)
      : shape_(shape), hessians_(shape, tensor_options) {}

  void Observe(const BlockState& state) override { hessians_.Add(state); }
  void AddUp(RankGroup& ranks) override { hessians_.AddUp(ranks); }

  absl::StatusOr<MethodResult> Prune(const BlockInputs& inputs, StageReporter& reporter) override {
    RETURN_IF_ERROR(hessians_.CheckFinite(inputs.block_index));
    RETURN_IF_ERROR(reporter.Begin("solve", kGroups));
    MethodResult result;
    // The largest matrix of inputs first, while little else is held.
    for (int group = kGroups - 1; group >= 0; --group) {
      RETURN_IF_ERROR(PruneGroup(Group(group), inputs, result));
      RETURN_IF_ERROR(reporter.Step(kGroups - group));
    }
    return result;
  }

 private:
  absl::Status PruneGroup(Group group, const BlockInputs& inputs, MethodResult& result) {
    at::Tensor hessian = hessians_.Take(group);
    // Scaled as published: it matters to the mean of a diagonal with dead columns.
    hessian.mul_(2.0 / static_cast<double>(inputs.share.samples));
    // A column that is always zero does nothing.
    const at::Tensor dead = hessian.diagonal().eq(0);
    hessian.diagonal().masked_fill_(dead, 1);
    ASSIGN_OR_RETURN(at::Tensor factor, Factor(group, std::move(hessian), inputs, result.warnings));

    at::Tensor weight = inputs.dense.groups[group].to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
    weight.masked_fill_(dead, 0);
    std::vector<int64_t> rows;
    for (Linear linear : kAllLinears) {
      if (GroupOf(linear) == group) rows.push_back(shape_.Rows(linear));
    }
    const at::Tensor removed = SparseGpt(weight, factor, rows, inputs.options).logical_or_(dead);
    factor.reset();
    weight = weight.to(AccumulatorType(inputs.dense.groups[group].scalar_type()));
    for (Linear linear : kAllLinears) {
      if (GroupOf(linear) != group) continue;
      result.linears[linear] = FromMask(LinearOfGroup(shape_, linear, removed));
      result.linears[linear].weight = LinearOfGroup(shape_, linear, weight);
    }
    return absl::OkStatus();
  }

  static absl::StatusOr<at::Tensor> Factor(Group group, at::Tensor hessian, const BlockInputs& inputs,
                                           std::vector<std::string>& warnings) {
    absl::StatusOr<InverseFactor> inverse = FactorInverse(std::move(hessian), inputs.options.sparsegpt_damping);
    if (!inverse.ok()) {
      return BadNumbers(inputs.block_index, GroupName(group),
                        absl::StrCat("the Hessian of its inputs is ", inverse.status().message()));
    }
    if (inverse->damping != inputs.options.sparsegpt_damping) {
      warnings.push_back(absl::StrCat(GroupName(group), ": the Hessian of its inputs took a damping of ",
                                      inverse->damping, " instead of ", inputs.options.sparsegpt_damping,
                                      " to be positive definite"));
    }
    return std::move(inverse->factor);
  }

  const BlockShape shape_;
  InputHessians hessians_;
};

}  // namespace

std::unique_ptr<PruningMethod> MakeSparseGpt(const BlockShape& shape, const at::TensorOptions& tensor_options) {
  return std::make_unique<SparseGptMethod>(shape, tensor_options);
}

}  // namespace besa::pruner
