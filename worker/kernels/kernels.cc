#include "worker/kernels/kernels.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "storage/base/status_macros.h"
#include "worker/kernels/checks.h"
#include "worker/kernels/twins.h"

namespace besa::kernels {
namespace {

using internal::CheckMatrix;
using internal::CheckMatrixIs;
using internal::CheckPointer;

absl::Status CheckRanked(const Device& device, const ConstMatrix& weight, const void* order) {
  RETURN_IF_ERROR(CheckMatrix(device, weight, "weight"));
  if (weight.cols > kMaxCols) {
    return absl::InvalidArgumentError(
        absl::StrCat("weight has ", weight.cols, " columns; expected at most ", kMaxCols));
  }
  if (weight.rows == 0) return absl::OkStatus();
  return CheckPointer(order, "order");
}

absl::Status CheckAlike(const Device& device, const ConstMatrix& matrix, const ConstMatrix& weight,
                        absl::string_view name) {
  return CheckMatrixIs(device, matrix, weight.type, weight.rows, weight.cols, name);
}

}  // namespace

absl::Status AddColumnSquares(const Device& device, const ConstMatrix& x, void* sums) {
  RETURN_IF_ERROR(CheckMatrix(device, x, "x"));
  RETURN_IF_ERROR(CheckPointer(sums, "sums"));
  if (x.rows == 0) return absl::OkStatus();
  if (device.is_cuda) return cuda::AddColumnSquares(device, x, sums);
  cpu::AddColumnSquares(device, x, sums);
  return absl::OkStatus();
}

absl::Status RankRows(const Device& device, const ConstMatrix& weight, const void* sums, int64_t samples,
                      uint16_t* order, uint16_t* rank) {
  RETURN_IF_ERROR(CheckRanked(device, weight, order));
  RETURN_IF_ERROR(CheckPointer(sums, "sums"));
  if (samples < 1) return absl::InvalidArgumentError(absl::StrCat("samples is ", samples, "; expected at least 1"));
  if (weight.rows == 0) return absl::OkStatus();
  if (device.is_cuda) return cuda::RankRows(device, weight, sums, samples, order, rank);
  cpu::RankRows(device, weight, sums, samples, order, rank);
  return absl::OkStatus();
}

absl::Status WriteMasked(const Device& device, const ConstMatrix& weight, const uint16_t* order, const int32_t* k,
                         const Matrix& out) {
  RETURN_IF_ERROR(CheckRanked(device, weight, order));
  RETURN_IF_ERROR(CheckAlike(device, out, weight, "out"));
  if (weight.rows == 0) return absl::OkStatus();
  RETURN_IF_ERROR(CheckPointer(k, "k"));
  if (device.is_cuda) return cuda::WriteMasked(device, weight, order, k, out);
  cpu::WriteMasked(device, weight, order, k, out);
  return absl::OkStatus();
}

absl::Status UpdateMasked(const Device& device, const ConstMatrix& weight, const uint16_t* order, const int32_t* k,
                          int32_t* k_before, const Matrix& out) {
  RETURN_IF_ERROR(CheckRanked(device, weight, order));
  RETURN_IF_ERROR(CheckAlike(device, out, weight, "out"));
  if (weight.rows == 0) return absl::OkStatus();
  RETURN_IF_ERROR(CheckPointer(k, "k"));
  RETURN_IF_ERROR(CheckPointer(k_before, "k_before"));
  if (out.data == weight.data) return absl::InvalidArgumentError("out is weight; expected a matrix of its own");
  if (device.is_cuda) return cuda::UpdateMasked(device, weight, order, k, k_before, out);
  cpu::UpdateMasked(device, weight, order, k, k_before, out);
  return absl::OkStatus();
}

absl::Status BucketHistogram(const Device& device, const ConstMatrix& weight, const ConstMatrix& gradient,
                             const uint16_t* order, void* h) {
  RETURN_IF_ERROR(CheckRanked(device, weight, order));
  RETURN_IF_ERROR(CheckAlike(device, gradient, weight, "gradient"));
  if (weight.rows == 0) return absl::OkStatus();
  RETURN_IF_ERROR(CheckPointer(h, "h"));
  if (device.is_cuda) return cuda::BucketHistogram(device, weight, gradient, order, h);
  cpu::BucketHistogram(device, weight, gradient, order, h);
  return absl::OkStatus();
}

absl::Status CountZeros(const Device& device, const ConstMatrix& matrix, int64_t* count) {
  RETURN_IF_ERROR(CheckMatrix(device, matrix, "matrix"));
  RETURN_IF_ERROR(CheckPointer(count, "count"));
  if (device.is_cuda) return cuda::CountZeros(device, matrix, count);
  *count = cpu::CountZeros(device, matrix);
  return absl::OkStatus();
}

absl::Status CountNonFinite(const Device& device, const ConstMatrix& matrix, int64_t* count) {
  RETURN_IF_ERROR(CheckMatrix(device, matrix, "matrix"));
  RETURN_IF_ERROR(CheckPointer(count, "count"));
  if (device.is_cuda) return cuda::CountNonFinite(device, matrix, count);
  *count = cpu::CountNonFinite(device, matrix);
  return absl::OkStatus();
}

}  // namespace besa::kernels
