// What a transformer block does between its matrix products, each operation in one pass over its matrices, for CUDA and
// as a CPU twin. Forward, and backward as docs/method.md needs it: gradients reach activations, never these weights.
//
// Matrices are [tokens, features] of one element type. Arithmetic is in AccumulatorType (kernels.h): float for kFloat32
// and kBFloat16, double for kFloat64; results are rounded once, when they are stored. Threading, errors and
// repeatability are those of kernels.h. Outputs are disjoint from inputs unless an argument says otherwise.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "worker/kernels/device.h"

namespace besa::kernels {

// Root-mean-square normalisation (Zhang and Sennrich 2019): y = x * r * weight, r = 1 / sqrt(mean(x^2) + eps).
//   weight       [heads, features], same type as x. The first `heads` stretches of `features` numbers of a token are
//                normalised each by itself: one for a norm of the whole token, more for norms of q's and k's heads
//   x            [tokens, at least heads * features]
//   y            [tokens, heads * features]
//   inverse_rms  [tokens, heads] of the accumulator type: r. Null where nobody needs it
absl::Status RmsNorm(const Device& device, const ConstMatrix& x, const ConstMatrix& weight, double eps, const Matrix& y,
                     void* inverse_rms);

enum class Store { kReplace, kAdd };

// dL/dx of y = RmsNorm(x) for the heads, r * u - x * r^3 * mean(u * x) with u = weight * gradient_y, replaces what is
// in gradient_x or is added to it.
//   gradient_y, gradient_x  [tokens, at least heads * features]; columns behind the heads are neither read nor written.
//                           They may be one matrix
absl::Status RmsNormBackward(const Device& device, const ConstMatrix& gradient_y, const ConstMatrix& x,
                             const ConstMatrix& weight, const void* inverse_rms, const Matrix& gradient_x, Store store);

// The gated activation (Shazeer 2020): silu(gate) * up. gate_up [tokens, 2 * width], gate first; activation [tokens,
// width].
absl::Status SwiGlu(const Device& device, const ConstMatrix& gate_up, const Matrix& activation);

// gradient_gate_up [tokens, 2 * width] may be gate_up itself.
absl::Status SwiGluBackward(const Device& device, const ConstMatrix& gradient_activation, const ConstMatrix& gate_up,
                            const Matrix& gradient_gate_up);

// Angles of rotary position embedding: cos and sin [length, head_dim / 2] of the accumulator type.
struct RotaryTable {
  const void* cos = nullptr;
  const void* sin = nullptr;
  int64_t length = 0;
  int64_t head_dim = 0;
};

enum class Rotation { kForward, kBack };

// Rotates the first `heads` heads of every token in place: dimension i of a head is paired with i + head_dim / 2. x
// [tokens, any number of heads * head_dim]; token t stands at position t % table.length. kBack is the transpose, for
// gradients.
absl::Status Rotate(const Device& device, const Matrix& x, int64_t heads, const RotaryTable& table, Rotation rotation);

// Heads of sequences of table.length tokens, wherever they lie: feature i of head h of token t of sequence s is
// data[s * sequence + h * head + t * token + i].
struct HeadsView {
  const void* data = nullptr;
  int64_t heads = 0;
  // Elements from one to the next.
  int64_t sequence = 0;
  int64_t head = 0;
  int64_t token = 0;
};

// Attention's heads as the matrix that its linears work on, in one pass: of every token those of q, of k and of v side
// by side, q's and k's rotated as Rotate does it. All are of the type of out, which is [tokens, all heads * head_dim].
absl::Status GatherHeads(const Device& device, const HeadsView& q, const HeadsView& k, const HeadsView& v,
                         const RotaryTable& table, Rotation rotation, const Matrix& out);

// The loss a block is trained on: mean over the features of
//   (sum over tokens of (y - reference)^2) / (sum over tokens of reference^2);
// a feature whose reference is zero everywhere is left out of the mean.
//
// In two halves, since a batch may be spread over several devices, whose sums are added up in between. Either takes a
// share of no tokens, too. First the sums of each feature:
//   sums      [2, features] of the accumulator type: of the errors, of the reference
absl::Status ReconstructionSums(const Device& device, const ConstMatrix& y, const ConstMatrix& reference, void* sums);

// Then, from the sums over all tokens of the batch, the loss and its gradient by these tokens.
//   weight    features of the accumulator type, scratch
//   loss      one of the accumulator type
//   gradient  dL/dy; may be y itself
absl::Status ReconstructionGradient(const Device& device, const ConstMatrix& y, const ConstMatrix& reference,
                                    const void* sums, void* weight, void* loss, const Matrix& gradient);

}  // namespace besa::kernels
