#include "worker/pruner/llama_block.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <utility>

#include "worker/pruner/rms_norm.h"
#include "worker/pruner/swiglu.h"

namespace besa::pruner {

namespace {

// x weights^T + bias, if the group has one.
at::Tensor Linears(const at::Tensor& x, const BlockWeights& weights, Group group) {
  const at::Tensor transposed = weights.groups[group].t();
  const at::Tensor& bias = weights.biases[group];
  return bias.defined() ? at::addmm(bias, x, transposed) : at::mm(x, transposed);
}

// The same added to the residual stream.
at::Tensor AddLinear(const at::Tensor& residual, const at::Tensor& x, const BlockWeights& weights, Group group) {
  at::Tensor sum = at::addmm(residual, x, weights.groups[group].t());
  if (weights.biases[group].defined()) sum.add_(weights.biases[group]);
  return sum;
}

}  // namespace

LlamaBlock::LlamaBlock(const BlockShape& shape, int64_t length, const at::TensorOptions& options)
    : shape_(shape), rope_(length, shape.head_dim, shape.rope_theta, shape.rope_scaling, options) {}

at::Tensor LlamaBlock::Forward(const at::Tensor& x, const BlockWeights& weights, BlockState* state) const {
  const int64_t batch = x.size(0);
  const int64_t length = x.size(1);
  const int64_t tokens = batch * length;
  const int64_t heads = shape_.heads;
  const int64_t kv_heads = shape_.kv_heads;
  const at::Tensor flat = x.reshape({tokens, shape_.hidden});

  RmsNormResult norm = RmsNorm(flat, weights.input_norm, shape_.rms_norm_eps);
  const at::Tensor qkv = Linears(norm.output, weights, kQkv);
  const auto keep_input = [&](Group group, const at::Tensor& input) {
    if (state != nullptr && state->keeps_inputs) state->inputs[group] = input;
  };
  keep_input(kQkv, norm.output);
  if (state != nullptr) state->input_inverse_rms = norm.inverse_rms;
  // q and k as rope takes them: with the heads of v behind them, unless they are normalised.
  at::Tensor qk = qkv;
  if (weights.qk_norm.defined()) {
    const RmsNormResult normed = RmsNorm(qkv, weights.qk_norm, shape_.rms_norm_eps);
    if (state != nullptr) {
      state->raw_qkv = qkv;
      state->qk_inverse_rms = normed.inverse_rms;
    }
    qk = normed.output;
  }
  rope_.Rotate(qk, heads + kv_heads);
  // [batch, count heads, length, head_dim] of a matrix of heads, from one on.
  const auto heads_of = [&](const at::Tensor& matrix, int64_t first, int64_t count) {
    return matrix.view({batch, length, -1, shape_.head_dim}).narrow(2, first, count).transpose(1, 2);
  };
  AttentionState attention = Attention(heads_of(qk, 0, heads), heads_of(qk, heads, kv_heads),
                                       heads_of(qkv, heads + kv_heads, kv_heads), weights.shape.window);
  qk.reset();
  const at::Tensor attended = attention.output.transpose(1, 2).reshape({tokens, heads * shape_.head_dim});
  const at::Tensor residual = AddLinear(flat, attended, weights, kAttentionOut);
  keep_input(kAttentionOut, attended);
  if (state != nullptr) {
    state->residual = residual;
    state->attention = std::move(attention);
  } else {
    attention = {};
  }

  norm = RmsNorm(residual, weights.post_attention_norm, shape_.rms_norm_eps);
  at::Tensor gate_up = Linears(norm.output, weights, kGateUp);
  const at::Tensor activation = SwiGlu(gate_up);
  keep_input(kGateUp, norm.output);
  keep_input(kMlpOut, activation);
  if (state != nullptr) {
    state->inverse_rms = norm.inverse_rms;
    state->gate_up = gate_up;
  }
  gate_up.reset();
  norm = {};
  return AddLinear(residual, activation, weights, kMlpOut).view({batch, length, shape_.hidden});
}

void LlamaBlock::Backward(const at::Tensor& gradient_y, const BlockWeights& weights, BlockState& state,
                          const std::array<at::Tensor, kGroups>& gradients, const GradientSink& sink) const {
  Propagate(gradient_y, weights, state, [&](Group group, const at::Tensor& gradient_output) {
    at::Tensor weight_gradient = gradients[group];
    at::mm_out(weight_gradient, gradient_output.t(), state.inputs[group]);
    state.inputs[group].reset();
    sink(group, weight_gradient);
  });
}

void LlamaBlock::BackwardToInput(const at::Tensor& gradient_y, const at::Tensor& x, const BlockWeights& weights,
                                 BlockState& state) const {
  const at::Tensor gradient_qkv = Propagate(gradient_y, weights, state, [](Group, const at::Tensor&) {});
  AddRmsNormBackward(at::mm(gradient_qkv, weights.groups[kQkv]), x.reshape({-1, shape_.hidden}), weights.input_norm,
                     state.input_inverse_rms, gradient_y.view({-1, shape_.hidden}));
  state.input_inverse_rms.reset();
}

at::Tensor LlamaBlock::Propagate(const at::Tensor& gradient_y, const BlockWeights& weights, BlockState& state,
                                 const std::function<void(Group, const at::Tensor& gradient_output)>& emit) const {
  const int64_t batch = gradient_y.size(0);
  const int64_t length = gradient_y.size(1);
  const int64_t tokens = batch * length;
  const int64_t heads = shape_.heads;
  // From y down to r it is the gradient of the residual stream that is added to on the way.
  const at::Tensor gradient = gradient_y.view({tokens, shape_.hidden});

  emit(kMlpOut, gradient);
  SwiGluBackward(at::mm(gradient, weights.groups[kMlpOut]), state.gate_up);
  at::Tensor gradient_gate_up = std::exchange(state.gate_up, at::Tensor());
  emit(kGateUp, gradient_gate_up);
  const at::Tensor gradient_norm = at::mm(gradient_gate_up, weights.groups[kGateUp]);
  gradient_gate_up.reset();
  AddRmsNormBackward(gradient_norm, state.residual, weights.post_attention_norm, state.inverse_rms, gradient);
  state.residual.reset();

  emit(kAttentionOut, gradient);
  const at::Tensor gradient_attended =
      at::mm(gradient, weights.groups[kAttentionOut]).view({batch, length, heads, shape_.head_dim}).transpose(1, 2);
  AttentionGradients attention = AttentionBackward(gradient_attended, state.attention);
  state.attention = {};
  const at::Tensor gradient_matrix = at::empty({tokens, shape_.GroupRows(kQkv)}, gradient.options());
  rope_.GatherBack(attention.query, attention.key, attention.value, gradient_matrix);
  attention = {};
  if (weights.qk_norm.defined()) {
    RmsNormBackward(gradient_matrix, state.raw_qkv, weights.qk_norm, state.qk_inverse_rms);
    state.raw_qkv.reset();
    state.qk_inverse_rms.reset();
  }
  emit(kQkv, gradient_matrix);
  return gradient_matrix;
}

}  // namespace besa::pruner
