#include "worker/agent/tasks/job_options.h"

namespace besa::worker {

pruner::BesaOptions BesaOptionsOf(const v1::JobSpec& spec) {
  const v1::MethodSpec& method = spec.method();
  return pruner::BesaOptions{
      .sparsity = spec.sparsity(),
      .preset = method.preset() == v1::PRESET_PAPER ? pruner::Preset::kPaper : pruner::Preset::kDefault,
      .granularity =
          method.granularity() == v1::GRANULARITY_LAYER ? pruner::Granularity::kLayer : pruner::Granularity::kRow,
      .batch_size = method.batch_size(),
      .epochs = method.epochs(),
      .d_coef = method.d_coef(),
      .prior_sigma = method.prior_sigma(),
  };
}

std::optional<pruner::ComputeType> ComputeTypeOf(const v1::JobSpec& spec) {
  switch (spec.method().compute_type()) {
    case v1::COMPUTE_TYPE_FLOAT32:
      return pruner::ComputeType::kFloat32;
    case v1::COMPUTE_TYPE_BFLOAT16:
      return pruner::ComputeType::kBFloat16;
    default:
      return std::nullopt;
  }
}

}  // namespace besa::worker
