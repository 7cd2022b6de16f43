// Checks of arguments that the public functions share: INVALID_ARGUMENT names the argument, what it is and what is
// expected.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "worker/kernels/device.h"

namespace besa::kernels::internal {

absl::Status CheckPointer(const void* pointer, absl::string_view name);

// Shape, type and memory by themselves.
absl::Status CheckMatrix(const Device& device, const ConstMatrix& matrix, absl::string_view name);

// CheckMatrix, and of this shape and type.
absl::Status CheckMatrixIs(const Device& device, const ConstMatrix& matrix, ElementType type, int64_t rows,
                           int64_t cols, absl::string_view name);

}  // namespace besa::kernels::internal
