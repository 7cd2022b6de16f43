#include "worker/agent/tasks/job_options.h"

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace besa::worker {

namespace {

pruner::Method MethodOf(v1::Method method) {
  switch (method) {
    case v1::METHOD_MAGNITUDE:
      return pruner::Method::kMagnitude;
    case v1::METHOD_WANDA:
      return pruner::Method::kWanda;
    case v1::METHOD_SPARSEGPT:
      return pruner::Method::kSparseGpt;
    default:
      return pruner::Method::kBesa;
  }
}

// Baselines compare with nothing unless they recover: for their final loss the dense block on their own inputs will do.
pruner::Reference ReferenceOf(const v1::MethodSpec& method) {
  const bool compares = MethodOf(method.method()) == pruner::Method::kBesa || method.has_recovery();
  const bool pruned = method.reference() == v1::REFERENCE_PRUNED_STREAM || !compares;
  return pruned ? pruner::Reference::kPrunedStream : pruner::Reference::kDenseStream;
}

// "2:4", which the service has checked.
pruner::Pattern PatternOf(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  pruner::Pattern pattern;
  if (parts.size() == 2 && absl::SimpleAtoi(parts[0], &pattern.kept) && absl::SimpleAtoi(parts[1], &pattern.of)) {
    return pattern;
  }
  return {};
}

}  // namespace

pruner::BesaOptions BesaOptionsOf(const v1::JobSpec& spec) {
  const v1::MethodSpec& method = spec.method();
  return pruner::BesaOptions{
      .method = MethodOf(method.method()),
      .sparsity = spec.sparsity(),
      .pattern = PatternOf(method.pattern()),
      .schedule =
          method.schedule() == v1::SCHEDULE_SEQUENTIAL ? pruner::Schedule::kSequential : pruner::Schedule::kIndependent,
      .reference = ReferenceOf(method),
      .preset = method.preset() == v1::PRESET_PAPER ? pruner::Preset::kPaper : pruner::Preset::kDefault,
      .granularity =
          method.granularity() == v1::GRANULARITY_LAYER ? pruner::Granularity::kLayer : pruner::Granularity::kRow,
      .batch_size = method.batch_size(),
      .epochs = method.epochs(),
      .d_coef = method.d_coef(),
      .prior_sigma = method.prior_sigma(),
      .sparsegpt_block_size = method.sparsegpt_block_size(),
      .sparsegpt_damping = method.sparsegpt_damping(),
      .recovery = {.epochs = method.recovery().epochs(),
                   .learning_rate = method.recovery().learning_rate(),
                   .batch_size = method.recovery().batch_size()},
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
