// worker/kernels on LibTorch's tensors and current stream.
//
// Arguments that a kernel refuses are a mistake of ours and throw c10::Error.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace besa::pruner {

// sums [cols] += column sums of x^2; x [tokens, cols].
void AddColumnSquares(const at::Tensor& x, const at::Tensor& sums);

// The columns of each row by ascending importance |W| * sqrt(sums / samples), ties by column. order [rows, cols]:
// uint16 values in an int16 tensor.
void RankRows(const at::Tensor& weight, const at::Tensor& sums, int64_t samples, const at::Tensor& order);
at::Tensor RankRows(const at::Tensor& weight, const at::Tensor& sums, int64_t samples);

// out = weight without the k[row] least important weights of each row; k [rows] int32.
void WriteMasked(const at::Tensor& weight, const at::Tensor& order, const at::Tensor& k, const at::Tensor& out);

// The same for `out` as it was written for k_before [rows] int32, which becomes k: only what changes is written. -1
// stands for a row that holds anything.
void UpdateMasked(const at::Tensor& weight, const at::Tensor& order, const at::Tensor& k, const at::Tensor& k_before,
                  const at::Tensor& out);

// h [rows, candidates]: gradient * weight, summed over the ranks of each bucket.
void BucketHistogram(const at::Tensor& weight, const at::Tensor& gradient, const at::Tensor& order,
                     const at::Tensor& h);

// Number of elements that are NaN or infinite; count is an int64 scalar. The other one waits for the device.
void CountNonFinite(const at::Tensor& x, const at::Tensor& count);
int64_t CountNonFinite(const at::Tensor& x);

// Number of elements that are +0 or -0; count is an int64 scalar.
void CountZeros(const at::Tensor& x, const at::Tensor& count);

}  // namespace besa::pruner
