// Shapes of well-known models, for benchmarks on random weights.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/checkpoint/model_config.h"

namespace besa::bench {

// "llama-7b", "llama-2-70b", ...: a config of that shape with few blocks and a small vocabulary, since neither changes
// what one block takes. INVALID_ARGUMENT names the shapes there are.
absl::StatusOr<storage::ModelConfig> NamedShape(absl::string_view name);

std::vector<std::string> ShapeNames();

}  // namespace besa::bench
