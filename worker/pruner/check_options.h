// Which options of a pruning make sense for a model.
#pragma once

#include "absl/status/status.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {

// INVALID_ARGUMENT (FieldError) for the first option that is out of range, that its method does not have, or whose
// pattern does not fit the model's linears.
absl::Status CheckOptions(const BesaOptions& options, const storage::ModelConfig& config);

}  // namespace besa::pruner
