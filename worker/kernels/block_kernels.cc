#include "worker/kernels/block_kernels.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "storage/base/status_macros.h"
#include "worker/kernels/block_twins.h"
#include "worker/kernels/checks.h"

namespace besa::kernels {
namespace {

using internal::CheckMatrix;
using internal::CheckMatrixIs;
using internal::CheckPointer;

// A matrix of the norm: alike in type and tokens, and wide enough for all heads.
absl::Status CheckHeads(const Device& device, const ConstMatrix& matrix, const ConstMatrix& x,
                        const ConstMatrix& weight, absl::string_view name) {
  RETURN_IF_ERROR(CheckMatrixIs(device, matrix, weight.type, x.rows, matrix.cols, name));
  if (matrix.cols < weight.rows * weight.cols) {
    return absl::InvalidArgumentError(absl::StrCat(name, " has ", matrix.cols, " columns; expected at least ",
                                                   weight.rows, " heads of ", weight.cols));
  }
  return absl::OkStatus();
}

absl::Status CheckTable(const RotaryTable& table) {
  if (table.head_dim < 2 || table.head_dim % 2 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("table.head_dim is ", table.head_dim, "; expected a positive even number"));
  }
  if (table.length < 1) {
    return absl::InvalidArgumentError(absl::StrCat("table.length is ", table.length, "; expected at least 1"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RmsNorm(const Device& device, const ConstMatrix& x, const ConstMatrix& weight, double eps, const Matrix& y,
                     void* inverse_rms) {
  RETURN_IF_ERROR(CheckMatrix(device, weight, "weight"));
  RETURN_IF_ERROR(CheckHeads(device, x, x, weight, "x"));
  RETURN_IF_ERROR(CheckMatrixIs(device, y, x.type, x.rows, weight.rows * weight.cols, "y"));
  if (x.rows == 0 || weight.rows == 0) return absl::OkStatus();
  if (device.is_cuda) return cuda::RmsNorm(device, x, weight, eps, y, inverse_rms);
  cpu::RmsNorm(device, x, weight, eps, y, inverse_rms);
  return absl::OkStatus();
}

absl::Status RmsNormBackward(const Device& device, const ConstMatrix& gradient_y, const ConstMatrix& x,
                             const ConstMatrix& weight, const void* inverse_rms, const Matrix& gradient_x,
                             Store store) {
  RETURN_IF_ERROR(CheckMatrix(device, weight, "weight"));
  RETURN_IF_ERROR(CheckHeads(device, x, x, weight, "x"));
  RETURN_IF_ERROR(CheckHeads(device, gradient_y, x, weight, "gradient_y"));
  RETURN_IF_ERROR(CheckHeads(device, gradient_x, x, weight, "gradient_x"));
  if (x.rows == 0 || weight.rows == 0) return absl::OkStatus();
  RETURN_IF_ERROR(CheckPointer(inverse_rms, "inverse_rms"));
  if (device.is_cuda) return cuda::RmsNormBackward(device, gradient_y, x, weight, inverse_rms, gradient_x, store);
  cpu::RmsNormBackward(device, gradient_y, x, weight, inverse_rms, gradient_x, store);
  return absl::OkStatus();
}

absl::Status SwiGlu(const Device& device, const ConstMatrix& gate_up, const Matrix& activation) {
  RETURN_IF_ERROR(CheckMatrix(device, activation, "activation"));
  RETURN_IF_ERROR(CheckMatrixIs(device, gate_up, activation.type, activation.rows, 2 * activation.cols, "gate_up"));
  if (activation.rows == 0) return absl::OkStatus();
  if (device.is_cuda) return cuda::SwiGlu(device, gate_up, activation);
  cpu::SwiGlu(device, gate_up, activation);
  return absl::OkStatus();
}

absl::Status SwiGluBackward(const Device& device, const ConstMatrix& gradient_activation, const ConstMatrix& gate_up,
                            const Matrix& gradient_gate_up) {
  const ConstMatrix& like = gradient_activation;
  RETURN_IF_ERROR(CheckMatrix(device, like, "gradient_activation"));
  RETURN_IF_ERROR(CheckMatrixIs(device, gate_up, like.type, like.rows, 2 * like.cols, "gate_up"));
  RETURN_IF_ERROR(CheckMatrixIs(device, gradient_gate_up, like.type, like.rows, 2 * like.cols, "gradient_gate_up"));
  if (like.rows == 0) return absl::OkStatus();
  if (device.is_cuda) return cuda::SwiGluBackward(device, gradient_activation, gate_up, gradient_gate_up);
  cpu::SwiGluBackward(device, gradient_activation, gate_up, gradient_gate_up);
  return absl::OkStatus();
}

absl::Status Rotate(const Device& device, const Matrix& x, int64_t heads, const RotaryTable& table, Rotation rotation) {
  RETURN_IF_ERROR(CheckMatrix(device, x, "x"));
  RETURN_IF_ERROR(CheckTable(table));
  if (heads < 0 || heads * table.head_dim > x.cols) {
    return absl::InvalidArgumentError(absl::StrCat("heads is ", heads, "; expected 0 to ", x.cols / table.head_dim,
                                                   ", as x has ", x.cols, " columns and a head ", table.head_dim));
  }
  if (x.rows == 0 || heads == 0) return absl::OkStatus();
  RETURN_IF_ERROR(CheckPointer(table.cos, "table.cos"));
  RETURN_IF_ERROR(CheckPointer(table.sin, "table.sin"));
  if (device.is_cuda) return cuda::Rotate(device, x, heads, table, rotation);
  cpu::Rotate(device, x, heads, table, rotation);
  return absl::OkStatus();
}

absl::Status GatherHeads(const Device& device, const HeadsView& q, const HeadsView& k, const HeadsView& v,
                         const RotaryTable& table, Rotation rotation, const Matrix& out) {
  RETURN_IF_ERROR(CheckMatrix(device, out, "out"));
  RETURN_IF_ERROR(CheckTable(table));
  if (q.heads < 0 || k.heads < 0 || v.heads < 0 || (q.heads + k.heads + v.heads) * table.head_dim != out.cols) {
    return absl::InvalidArgumentError(absl::StrCat("out has ", out.cols, " columns; expected those of ", q.heads, " + ",
                                                   k.heads, " + ", v.heads, " heads of ", table.head_dim));
  }
  if (out.rows == 0) return absl::OkStatus();
  RETURN_IF_ERROR(CheckPointer(table.cos, "table.cos"));
  RETURN_IF_ERROR(CheckPointer(table.sin, "table.sin"));
  if (q.heads > 0) RETURN_IF_ERROR(CheckPointer(q.data, "q"));
  if (k.heads > 0) RETURN_IF_ERROR(CheckPointer(k.data, "k"));
  if (v.heads > 0) RETURN_IF_ERROR(CheckPointer(v.data, "v"));
  if (device.is_cuda) return cuda::GatherHeads(device, q, k, v, table, rotation, out);
  cpu::GatherHeads(device, q, k, v, table, rotation, out);
  return absl::OkStatus();
}

absl::Status ReconstructionSums(const Device& device, const ConstMatrix& y, const ConstMatrix& reference, void* sums) {
  RETURN_IF_ERROR(CheckMatrix(device, y, "y"));
  RETURN_IF_ERROR(CheckMatrixIs(device, reference, y.type, y.rows, y.cols, "reference"));
  RETURN_IF_ERROR(CheckPointer(sums, "sums"));
  if (device.is_cuda) return cuda::ReconstructionSums(device, y, reference, sums);
  cpu::ReconstructionSums(device, y, reference, sums);
  return absl::OkStatus();
}

absl::Status ReconstructionGradient(const Device& device, const ConstMatrix& y, const ConstMatrix& reference,
                                    const void* sums, void* weight, void* loss, const Matrix& gradient) {
  RETURN_IF_ERROR(CheckMatrix(device, y, "y"));
  RETURN_IF_ERROR(CheckMatrixIs(device, reference, y.type, y.rows, y.cols, "reference"));
  RETURN_IF_ERROR(CheckMatrixIs(device, gradient, y.type, y.rows, y.cols, "gradient"));
  RETURN_IF_ERROR(CheckPointer(sums, "sums"));
  RETURN_IF_ERROR(CheckPointer(weight, "weight"));
  RETURN_IF_ERROR(CheckPointer(loss, "loss"));
  if (device.is_cuda) return cuda::ReconstructionGradient(device, y, reference, sums, weight, loss, gradient);
  cpu::ReconstructionGradient(device, y, reference, sums, weight, loss, gradient);
  return absl::OkStatus();
}

}  // namespace besa::kernels
