// The two implementations behind block_kernels.h. Arguments have been checked there; no matrix is empty but
// those of a loss.
#pragma once

#include "worker/kernels/block_kernels.h"

namespace besa::kernels::cpu {

void RmsNorm(const Device& device, const ConstMatrix& x, const ConstMatrix& weight, double eps, const Matrix& y,
             void* inverse_rms);
void RmsNormBackward(const Device& device, const ConstMatrix& gradient_y, const ConstMatrix& x,
                     const ConstMatrix& weight, const void* inverse_rms, const Matrix& gradient_x, Store store);
void SwiGlu(const Device& device, const ConstMatrix& gate_up, const Matrix& activation);
void SwiGluBackward(const Device& device, const ConstMatrix& gradient_activation, const ConstMatrix& gate_up,
                    const Matrix& gradient_gate_up);
void Rotate(const Device& device, const Matrix& x, int64_t heads, const RotaryTable& table, Rotation rotation);
void GatherHeads(const Device& device, const HeadsView& q, const HeadsView& k, const HeadsView& v,
                 const RotaryTable& table, Rotation rotation, const Matrix& out);
void ReconstructionSums(const Device& device, const ConstMatrix& y, const ConstMatrix& reference, void* sums);
void ReconstructionGradient(const Device& device, const ConstMatrix& y, const ConstMatrix& reference, const void* sums,
                            void* weight, void* loss, const Matrix& gradient);

}  // namespace besa::kernels::cpu

namespace besa::kernels::cuda {

absl::Status RmsNorm(const Device& device, const ConstMatrix& x, const ConstMatrix& weight, double eps, const Matrix& y,
                     void* inverse_rms);
absl::Status RmsNormBackward(const Device& device, const ConstMatrix& gradient_y, const ConstMatrix& x,
                             const ConstMatrix& weight, const void* inverse_rms, const Matrix& gradient_x, Store store);
absl::Status SwiGlu(const Device& device, const ConstMatrix& gate_up, const Matrix& activation);
absl::Status SwiGluBackward(const Device& device, const ConstMatrix& gradient_activation, const ConstMatrix& gate_up,
                            const Matrix& gradient_gate_up);
absl::Status Rotate(const Device& device, const Matrix& x, int64_t heads, const RotaryTable& table, Rotation rotation);
absl::Status GatherHeads(const Device& device, const HeadsView& q, const HeadsView& k, const HeadsView& v,
                         const RotaryTable& table, Rotation rotation, const Matrix& out);
absl::Status ReconstructionSums(const Device& device, const ConstMatrix& y, const ConstMatrix& reference, void* sums);
absl::Status ReconstructionGradient(const Device& device, const ConstMatrix& y, const ConstMatrix& reference,
                                    const void* sums, void* weight, void* loss, const Matrix& gradient);

}  // namespace besa::kernels::cuda
