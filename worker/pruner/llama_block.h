// A LLaMA transformer block, forward and backward, without autograd:
//
//   r = x + o(attention(rope(q(n1)), rope(k(n1)), v(n1))),  n1 = norm(x)
//   y = r + down(silu(gate(n2)) * up(n2)),                  n2 = norm(r)
//
// and its relatives, by the traits of BlockShape: any linear may add a bias, heads of q and k may be normalised before
// rope, attention may slide.
//
// The backward pass gives the gradients of the seven linears, or that of x: of a block that is trained, or of one that
// is looked through at what lies behind it. Norms and biases are not trained, so that in the first case nothing is
// propagated below q, k and v.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <functional>

#include "worker/pruner/attention.h"
#include "worker/pruner/block_weights.h"
#include "worker/pruner/rope.h"

namespace besa::pruner {

// What one forward pass leaves behind for the backward pass and for statistics.
struct BlockState {
  // Whether the inputs below are kept, for statistics and the gradients of weights.
  bool keeps_inputs = true;
  // The input of each group of linears, [tokens, group cols].
  std::array<at::Tensor, kGroups> inputs;
  // Of the norm of x.
  at::Tensor input_inverse_rms;
  // With normalised heads: q and k before it (and v), [tokens, group rows], and RmsNorm's statistics.
  at::Tensor raw_qkv;
  at::Tensor qk_inverse_rms;
  AttentionState attention;
  // r above, [tokens, hidden].
  at::Tensor residual;
  at::Tensor inverse_rms;
  // [tokens, 2 * intermediate].
  at::Tensor gate_up;
};

class LlamaBlock {
 public:
  // For sequences of `length` tokens, in the type and on the device of `options`. Any block of the model will do as
  // `shape`: each has its own window, which comes with the weights.
  LlamaBlock(const BlockShape& shape, int64_t length, const at::TensorOptions& options);

  const BlockShape& shape() const { return shape_; }

  // x [batch, length, hidden] -> y of the same shape. Fills `state` if given.
  at::Tensor Forward(const at::Tensor& x, const BlockWeights& weights, BlockState* state) const;

  // Takes the gradient of a group as soon as it is known: [group rows, group cols], valid during the call only.
  using GradientSink = std::function<void(Group, const at::Tensor& gradient)>;

  // gradient_y [batch, length, hidden] is used as scratch space. Each group's gradient is written to its place in
  // `gradients`, contiguous; whoever needs none of them once the sink has returned gives all of them one memory. Uses
  // up `state`.
  void Backward(const at::Tensor& gradient_y, const BlockWeights& weights, BlockState& state,
                const std::array<at::Tensor, kGroups>& gradients, const GradientSink& sink) const;

  // Replaces gradient_y by the gradient of x, which is what Forward was given. Uses up `state`, of which it takes no
  // inputs.
  void BackwardToInput(const at::Tensor& gradient_y, const at::Tensor& x, const BlockWeights& weights,
                       BlockState& state) const;

 private:
  // From y down to q, k and v. `emit` gets the gradient of each group's outputs, [tokens, group rows], as soon as it is
  // known. Gives that of q, k and v; gradient_y becomes the gradient of the residual stream between x and attention.
  at::Tensor Propagate(const at::Tensor& gradient_y, const BlockWeights& weights, BlockState& state,
                       const std::function<void(Group, const at::Tensor& gradient_output)>& emit) const;

  BlockShape shape_;
  Rope rope_;
};

}  // namespace besa::pruner
