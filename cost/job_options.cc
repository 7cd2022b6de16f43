#include "cost/job_options.h"

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace besa::cost {

namespace {

Method MethodOf(v1::Method method) {
  switch (method) {
    case v1::METHOD_MAGNITUDE:
      return Method::kMagnitude;
    case v1::METHOD_WANDA:
      return Method::kWanda;
    case v1::METHOD_SPARSEGPT:
      return Method::kSparseGpt;
    default:
      return Method::kBesa;
  }
}

// Baselines compare with nothing unless they recover: for their final loss the dense block on their own inputs will do.
Reference ReferenceOf(const v1::MethodSpec& method) {
  const bool compares = MethodOf(method.method()) == Method::kBesa || method.has_recovery();
  const bool pruned = method.reference() == v1::REFERENCE_PRUNED_STREAM || !compares;
  return pruned ? Reference::kPrunedStream : Reference::kDenseStream;
}

// "2:4", which the service has checked.
Pattern PatternOf(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  Pattern pattern;
  if (parts.size() == 2 && absl::SimpleAtoi(parts[0], &pattern.kept) && absl::SimpleAtoi(parts[1], &pattern.of)) {
    return pattern;
  }
  return {};
}

}  // namespace

BesaOptions BesaOptionsOf(const v1::JobSpec& spec) {
  const v1::MethodSpec& method = spec.method();
  return BesaOptions{
      .method = MethodOf(method.method()),
      .sparsity = spec.sparsity(),
      .pattern = PatternOf(method.pattern()),
      .schedule = method.schedule() == v1::SCHEDULE_SEQUENTIAL ? Schedule::kSequential : Schedule::kIndependent,
      .reference = ReferenceOf(method),
      .preset = method.preset() == v1::PRESET_PAPER ? Preset::kPaper : Preset::kDefault,
      .granularity = method.granularity() == v1::GRANULARITY_LAYER ? Granularity::kLayer : Granularity::kRow,
      .batch_size = method.batch_size(),
      .epochs = method.epochs(),
      .d_coef = method.d_coef(),
      .prior_sigma = method.prior_sigma(),
      .sparsegpt_block_size = method.sparsegpt_block_size(),
      .sparsegpt_damping = method.sparsegpt_damping(),
      .recovery = {.epochs = method.recovery().epochs(),
                   .learning_rate = method.recovery().learning_rate(),
                   .batch_size = method.recovery().batch_size(),
                   .masks = method.recovery().masks() == v1::RECOVERY_MASKS_FIXED ? RecoveryMasks::kFixed
                                                                                  : RecoveryMasks::kGrowing,
                   .decay = method.recovery().decay(),
                   .dense_every = method.recovery().dense_every()},
      .lookahead = method.loss() == v1::LOSS_LOOKAHEAD,
  };
}

std::optional<ComputeType> ComputeTypeOf(const v1::JobSpec& spec) {
  switch (spec.method().compute_type()) {
    case v1::COMPUTE_TYPE_FLOAT32:
      return ComputeType::kFloat32;
    case v1::COMPUTE_TYPE_BFLOAT16:
      return ComputeType::kBFloat16;
    default:
      return std::nullopt;
  }
}

}  // namespace besa::cost
