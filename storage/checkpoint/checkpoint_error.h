// How errors of broken checkpoints read.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "storage/object/uri.h"

namespace besa::storage {

// INVALID_ARGUMENT with reason CHECKPOINT_INVALID: "<file>: tensor "<tensor>": <what>".
absl::Status TensorError(const Uri& file, absl::string_view tensor, absl::string_view what);

}  // namespace besa::storage
