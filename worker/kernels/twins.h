// The two implementations behind kernels.h. Arguments have been checked there; only the counts get empty matrices.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "worker/kernels/device.h"

namespace besa::kernels::cpu {

void AddColumnSquares(const Device& device, const ConstMatrix& x, void* sums);
void RankRows(const Device& device, const ConstMatrix& weight, const void* sums, int64_t samples, uint16_t* order,
              uint16_t* rank);
void WriteMasked(const Device& device, const ConstMatrix& weight, const uint16_t* order, const int32_t* k,
                 const Matrix& out);
void UpdateMasked(const Device& device, const ConstMatrix& weight, const uint16_t* order, const int32_t* k,
                  int32_t* k_before, const Matrix& out);
void BucketHistogram(const Device& device, const ConstMatrix& weight, const ConstMatrix& gradient,
                     const uint16_t* order, void* h);
int64_t CountZeros(const Device& device, const ConstMatrix& matrix);
int64_t CountNonFinite(const Device& device, const ConstMatrix& matrix);

}  // namespace besa::kernels::cpu

namespace besa::kernels::cuda {

absl::Status AddColumnSquares(const Device& device, const ConstMatrix& x, void* sums);
absl::Status RankRows(const Device& device, const ConstMatrix& weight, const void* sums, int64_t samples,
                      uint16_t* order, uint16_t* rank);
absl::Status WriteMasked(const Device& device, const ConstMatrix& weight, const uint16_t* order, const int32_t* k,
                         const Matrix& out);
absl::Status UpdateMasked(const Device& device, const ConstMatrix& weight, const uint16_t* order, const int32_t* k,
                          int32_t* k_before, const Matrix& out);
absl::Status BucketHistogram(const Device& device, const ConstMatrix& weight, const ConstMatrix& gradient,
                             const uint16_t* order, void* h);
absl::Status CountZeros(const Device& device, const ConstMatrix& matrix, int64_t* count);
absl::Status CountNonFinite(const Device& device, const ConstMatrix& matrix, int64_t* count);

}  // namespace besa::kernels::cuda
