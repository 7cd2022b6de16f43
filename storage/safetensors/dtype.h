// Element types of safetensors files.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace besa::storage {

enum class DType {
  kBool,
  kU8,
  kI8,
  kF8E4M3,
  kF8E5M2,
  kU16,
  kI16,
  kF16,
  kBF16,
  kU32,
  kI32,
  kF32,
  kU64,
  kI64,
  kF64,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kC64
};

// Bytes an element.
int64_t ElementSize(DType dtype);

// The name used in files: "BF16".
absl::string_view ToString(DType dtype);

// INVALID_ARGUMENT for a name that is not one, and for the packed types of less than a byte (F4, F6_E2M3, F6_E3M2).
absl::StatusOr<DType> ParseDType(absl::string_view name);

}  // namespace besa::storage
