// The hand-written kernels of BESA's fast path, each for CUDA and as a CPU twin.
//
// How a weight W[r, c] is treated depends on its rank alone: its position in its row by ascending importance. So the
// method needs no mask tensors and no [candidates x cols] products, only, once a block,
//
//   AddColumnSquares   calibration inputs x       -> sum of x^2 of every column
//   RankRows           W, sums                    -> order: the column of every rank, a permutation of each row
//
// and in every step
//
//   UpdateMasked       W, order, k                -> W without the k[r] least important weights of row r, of which it
//                                                    writes only what another k was written for in the step before;
//                                                    WriteMasked writes all of it
//   BucketHistogram    W, dL/dW, order            -> h, from which the gradient of the allocation follows
//
// Derivation of the backward pass. Candidate d = 0..100 removes n_d = C * (100 - d) / 100 weights (integer division) of
// a row of C. With allocation s (s_d >= 0, sum 1) the soft keep probability of a weight is
//
//   P(rank) = 1 - sum_d s_d [rank < n_d]
//
// and the forward pass, hard or soft, uses W * P; the straight-through estimator takes the gradient of the soft one:
// dL/dP = g * W with g = dL/d(weight in use). n_d never grows with d, from n_0 = C to n_100 = 0, so every rank
// 0 <= rank < C lies in exactly one bucket b = the largest d with rank < n_d, and rank < n_d just where d <= b.
// Bucket d is the interval [n_{d+1}, n_d) of ranks; bucket 100 is always empty. Hence dP/ds_i = -[i <= b], and
//
//   dL/ds_i = -sum_{d >= i} h_d,   h_d = sum over the ranks of bucket d of g * W.
//
// Exactly: dL/ds_0 = -(sum of the whole row) as candidate 0 removes everything, dL/ds_100 = 0 as it removes nothing.
//
// Repeatable bit for bit: floating-point sums run in an order that depends on shapes alone, never on threads or timing,
// and use no atomics. Order and masks are the same on every CPU and GPU; sums agree within float rounding.
//
// Arithmetic is in float for kFloat32 and kBFloat16 (CPU twins add up in double) and in double for kFloat64; vectors
// passed as void* (sums, h) are float or double accordingly: AccumulatorType().
//
// NaN and infinity: nothing here fails on them. CountNonFinite finds them; check inputs with it first.
//
// Threading: functions are stateless and may run concurrently on different outputs; see Device for streams.
// Errors: INVALID_ARGUMENT names the argument that is out of range or of the wrong type (kFloat64 on CUDA among them);
// INTERNAL is a CUDA error on launch. Matrices with no rows are fine and do nothing.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "worker/kernels/device.h"

namespace besa::kernels {

// Number D of candidates p_d = (100 - d) / 100, d = 0..100.
inline constexpr int kCandidates = 101;
// Columns and ranks are stored as uint16.
inline constexpr int64_t kMaxCols = 65535;

// n_d: how many weights of a row of `cols` candidate d removes.
constexpr int64_t CandidateCount(int64_t cols, int candidate) { return cols * (100 - candidate) / 100; }

constexpr ElementType AccumulatorType(ElementType type) {
  return type == ElementType::kFloat64 ? ElementType::kFloat64 : ElementType::kFloat32;
}

// sums[c] += sum over rows r of x[r, c]^2. x [tokens, cols], sums [cols] of AccumulatorType(x.type).
absl::Status AddColumnSquares(const Device& device, const ConstMatrix& x, void* sums);

// Ranks each row by Wanda's importance (Sun et al. 2023): I[r, c] = |W[r, c]| * sqrt(sums[c] / samples), ascending,
// equal importances by ascending column.
//   weight  [R, C], C <= kMaxCols
//   sums    [C] of AccumulatorType(weight.type), from AddColumnSquares over all samples; samples > 0
//   order   [R, C]: order[r, rank] = column
//   rank    [R, C]: rank[r, column] = rank, or null where nobody needs it
// Importances that are NaN (0 * infinity too) rank behind infinity, among themselves by column.
absl::Status RankRows(const Device& device, const ConstMatrix& weight, const void* sums, int64_t samples,
                      uint16_t* order, uint16_t* rank);

// out[r, c] = rank(r, c) >= k[r] ? W[r, c] : +0, bits unchanged where kept.
//   order   [R, C] from RankRows
//   k       [R] in the device's memory; k <= 0 keeps the row, k >= C clears it
//   out     [R, C], same type as weight; either weight itself or disjoint from it
absl::Status WriteMasked(const Device& device, const ConstMatrix& weight, const uint16_t* order, const int32_t* k,
                         const Matrix& out);

// The same for an `out` that was written before: of a row in which k_before[r] weights are missing, only those of the
// ranks between k_before[r] and k[r] are written.
//   k_before  [R] in the device's memory: what k was when the row was written last, at first a negative number, which
//             stands for a row that holds anything and is written as a whole. Becomes k, from 0 to C
//   out       [R, C], disjoint from weight; the same matrix each time, which nobody else has written to
absl::Status UpdateMasked(const Device& device, const ConstMatrix& weight, const uint16_t* order, const int32_t* k,
                          int32_t* k_before, const Matrix& out);

// h[r, d] = sum over the ranks j of bucket d of gradient[r, order[r, j]] * weight[r, order[r, j]]; see above.
//   gradient  [R, C], same type as weight: dL/d(weight in use)
//   h         [R, kCandidates] of AccumulatorType(weight.type); every element is written
absl::Status BucketHistogram(const Device& device, const ConstMatrix& weight, const ConstMatrix& gradient,
                             const uint16_t* order, void* h);

// *count = number of elements that are +0 or -0. count is in the device's memory.
absl::Status CountZeros(const Device& device, const ConstMatrix& matrix, int64_t* count);

// *count = number of elements that are NaN or infinite. count is in the device's memory.
absl::Status CountNonFinite(const Device& device, const ConstMatrix& matrix, int64_t* count);

}  // namespace besa::kernels
