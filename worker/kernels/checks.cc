#include "worker/kernels/checks.h"

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace besa::kernels::internal {
namespace {

absl::string_view NameOf(ElementType type) {
  return type == ElementType::kFloat64 ? "float64" : type == ElementType::kFloat32 ? "float32" : "bfloat16";
}

}  // namespace

absl::Status CheckPointer(const void* pointer, absl::string_view name) {
  if (pointer == nullptr) return absl::InvalidArgumentError(absl::StrCat(name, " is null"));
  return absl::OkStatus();
}

absl::Status CheckMatrix(const Device& device, const ConstMatrix& matrix, absl::string_view name) {
  if (matrix.rows < 0 || matrix.cols < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is [", matrix.rows, ", ", matrix.cols, "]; expected rows >= 0 and cols >= 1"));
  }
  if (device.is_cuda && matrix.type == ElementType::kFloat64) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is float64; CUDA kernels take float32 and bfloat16"));
  }
  if (matrix.rows == 0) return absl::OkStatus();
  return CheckPointer(matrix.data, name);
}

absl::Status CheckMatrixIs(const Device& device, const ConstMatrix& matrix, ElementType type, int64_t rows,
                           int64_t cols, absl::string_view name) {
  if (matrix.rows != rows || matrix.cols != cols || matrix.type != type) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is ", NameOf(matrix.type), " [", matrix.rows, ", ",
                                                   matrix.cols, "]; expected ", NameOf(type), " [", rows, ", ", cols,
                                                   "]"));
  }
  return CheckMatrix(device, matrix, name);
}

}  // namespace besa::kernels::internal
