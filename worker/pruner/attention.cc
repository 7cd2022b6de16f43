#include "worker/pruner/attention.h"

#include <ATen/cuda/CUDAContextLight.h>
#include <ATen/ops/_flash_attention_backward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/_scaled_dot_product_cudnn_attention.h>
#include <ATen/ops/_scaled_dot_product_flash_attention.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_backward.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tril.h>
#include <ATen/ops/triu.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>
#include <optional>
#include <tuple>

namespace besa::pruner {
namespace {

// Every key/value head once for each query head that reads it.
at::Tensor ForEveryQueryHead(const at::Tensor& x, int64_t heads) {
  const int64_t kv_heads = x.size(1);
  if (kv_heads == heads) return x;
  return x.unsqueeze(2)
      .expand({x.size(0), kv_heads, heads / kv_heads, x.size(2), x.size(3)})
      .reshape({x.size(0), heads, x.size(2), x.size(3)});
}

// The transpose of ForEveryQueryHead.
at::Tensor SumOverQueryHeads(const at::Tensor& gradient, int64_t kv_heads) {
  const int64_t heads = gradient.size(1);
  if (kv_heads == heads) return gradient;
  return gradient.reshape({gradient.size(0), kv_heads, heads / kv_heads, gradient.size(2), gradient.size(3)}).sum(2);
}

std::optional<at::Tensor> Optional(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

double Scale(const at::Tensor& query) { return 1.0 / std::sqrt(static_cast<double>(query.size(-1))); }

// Scores that a query must not use, [length, length] bool: of the future and of what its window has left behind.
at::Tensor Hidden(int64_t length, int64_t window, at::Device device) {
  const at::Tensor all = at::ones({length, length}, at::TensorOptions(device).dtype(at::kBool));
  const at::Tensor future = at::triu(all, 1);
  return window == 0 ? future : future.logical_or_(at::tril(all, -window));
}

AttentionState Explicit(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, int64_t window) {
  const int64_t length = query.size(2);
  at::Tensor scores = at::matmul(query, ForEveryQueryHead(key, query.size(1)).transpose(2, 3)).mul_(Scale(query));
  scores.masked_fill_(Hidden(length, window, query.device()), -std::numeric_limits<double>::infinity());
  at::Tensor probabilities = at::_softmax(scores, -1, /*half_to_float=*/false);
  // Contiguous with the heads inside, like the flash kernels' outputs.
  const at::Tensor output =
      at::matmul(probabilities, ForEveryQueryHead(value, query.size(1))).transpose(1, 2).contiguous().transpose(1, 2);
  return {.kind = AttentionKind::kExplicit,
          .window = window,
          .query = query,
          .key = key,
          .value = value,
          .output = output,
          .statistics = probabilities};
}

AttentionGradients ExplicitBackward(const at::Tensor& gradient_output, const AttentionState& state) {
  const int64_t heads = state.query.size(1);
  const int64_t kv_heads = state.key.size(1);
  const at::Tensor& probabilities = state.statistics;
  const at::Tensor gradient_value = at::matmul(probabilities.transpose(2, 3), gradient_output);
  at::Tensor gradient_scores = at::matmul(gradient_output, ForEveryQueryHead(state.value, heads).transpose(2, 3));
  gradient_scores = at::_softmax_backward_data(gradient_scores, probabilities, -1, probabilities.scalar_type())
                        .mul_(Scale(state.query));
  return {.query = at::matmul(gradient_scores, ForEveryQueryHead(state.key, heads)),
          .key = SumOverQueryHeads(at::matmul(gradient_scores.transpose(2, 3), state.query), kv_heads),
          .value = SumOverQueryHeads(gradient_value, kv_heads)};
}

// LibTorch's kernel is causal or masked, not both.
AttentionState FlashCpu(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, int64_t window) {
  const int64_t heads = query.size(1);
  const int64_t length = query.size(2);
  AttentionState state = {
      .kind = AttentionKind::kFlashCpu, .window = window, .query = query, .key = key, .value = value};
  if (window > 0) {
    state.mask = at::zeros({length, length}, query.options());
    state.mask.masked_fill_(Hidden(length, window, query.device()), -std::numeric_limits<double>::infinity());
  }
  std::tie(state.output, state.statistics) = at::_scaled_dot_product_flash_attention_for_cpu(
      query, ForEveryQueryHead(key, heads), ForEveryQueryHead(value, heads), /*dropout_p=*/0.0,
      /*is_causal=*/window == 0, Optional(state.mask));
  return state;
}

AttentionGradients FlashCpuBackward(const at::Tensor& gradient_output, const AttentionState& state) {
  const int64_t heads = state.query.size(1);
  const int64_t kv_heads = state.key.size(1);
  auto [query, key, value] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
      gradient_output, state.query, ForEveryQueryHead(state.key, heads), ForEveryQueryHead(state.value, heads),
      state.output, state.statistics, /*dropout_p=*/0.0, /*is_causal=*/state.window == 0, Optional(state.mask));
  return {query, SumOverQueryHeads(key, kv_heads), SumOverQueryHeads(value, kv_heads)};
}

// The operator above FlashAttention takes no window, the one below it has heads and tokens the other way round.
AttentionState FlashCudaWithWindow(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                                   int64_t window) {
  const int64_t length = query.size(2);
  auto result = at::_flash_attention_forward(
      query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), /*cum_seq_q=*/std::nullopt,
      /*cum_seq_k=*/std::nullopt, length, length, /*dropout_p=*/0.0, /*is_causal=*/true, /*return_debug_mask=*/false,
      /*scale=*/std::nullopt, /*window_size_left=*/window - 1, /*window_size_right=*/0);
  return {.kind = AttentionKind::kFlashCuda,
          .window = window,
          .query = query,
          .key = key,
          .value = value,
          .output = std::get<0>(result).transpose(1, 2),
          .statistics = std::get<1>(result),
          .philox_seed = std::get<2>(result),
          .philox_offset = std::get<3>(result)};
}

AttentionGradients FlashCudaWithWindowBackward(const at::Tensor& gradient_output, const AttentionState& state) {
  const int64_t length = state.query.size(2);
  auto [query, key, value] = at::_flash_attention_backward(
      gradient_output.transpose(1, 2), state.query.transpose(1, 2), state.key.transpose(1, 2),
      state.value.transpose(1, 2), state.output.transpose(1, 2), state.statistics, /*cum_seq_q=*/at::Tensor(),
      /*cum_seq_k=*/at::Tensor(), length, length, /*dropout_p=*/0.0, /*is_causal=*/true, state.philox_seed,
      state.philox_offset, /*scale=*/std::nullopt, /*window_size_left=*/state.window - 1, /*window_size_right=*/0);
  return {query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)};
}

// Where cuDNN's forward kernel is the faster one: on Hopper, and for heads that it was written for. It is deterministic
// and its statistics are those that FlashAttention's backward pass takes (cuDNN's own is not deterministic).
bool HasFastCudnn(const at::Tensor& query) {
  const int64_t head_dim = query.size(-1);
  return at::cuda::getCurrentDeviceProperties()->major == 9 && (head_dim == 64 || head_dim == 128);
}

AttentionState CudnnForward(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
  auto result = at::_scaled_dot_product_cudnn_attention(query, key, value, /*attn_bias=*/std::nullopt,
                                                        /*compute_log_sumexp=*/true, /*dropout_p=*/0.0,
                                                        /*is_causal=*/true, /*return_debug_mask=*/false);
  return {.kind = AttentionKind::kFlashCuda,
          .query = query,
          .key = key,
          .value = value,
          .output = std::get<0>(result),
          .statistics = std::get<1>(result).squeeze(-1),
          .philox_seed = std::get<6>(result),
          .philox_offset = std::get<7>(result)};
}

}  // namespace

AttentionKind ChooseAttention(at::Device device, at::ScalarType type, int64_t head_dim) {
  return cost::ChooseAttention(device.is_cuda(), type == at::kBFloat16, head_dim);
}

AttentionState Attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, int64_t window) {
  // One that is never full hides nothing: the plain path, to the bit.
  if (window >= query.size(2)) window = 0;
  const AttentionKind kind = ChooseAttention(query.device(), query.scalar_type(), query.size(-1));
  switch (kind) {
    case AttentionKind::kFlashCpu:
      return FlashCpu(query, key, value, window);
    case AttentionKind::kFlashCuda: {
      if (window > 0) return FlashCudaWithWindow(query, key, value, window);
      if (HasFastCudnn(query)) return CudnnForward(query, key, value);
      auto result = at::_scaled_dot_product_flash_attention(query, key, value, /*dropout_p=*/0.0, /*is_causal=*/true);
      return {.kind = kind,
              .query = query,
              .key = key,
              .value = value,
              .output = std::get<0>(result),
              .statistics = std::get<1>(result),
              .philox_seed = std::get<6>(result),
              .philox_offset = std::get<7>(result)};
    }
    case AttentionKind::kExplicit:
      break;
  }
  return Explicit(query, key, value, window);
}

AttentionGradients AttentionBackward(const at::Tensor& gradient_output, const AttentionState& state) {
  switch (state.kind) {
    case AttentionKind::kFlashCpu:
      return FlashCpuBackward(gradient_output, state);
    case AttentionKind::kFlashCuda: {
      if (state.window > 0) return FlashCudaWithWindowBackward(gradient_output, state);
      const int64_t length = state.query.size(2);
      auto [query, key, value] = at::_scaled_dot_product_flash_attention_backward(
          gradient_output, state.query, state.key, state.value, state.output, state.statistics,
          /*cum_seq_q=*/at::Tensor(), /*cum_seq_k=*/at::Tensor(), length, length, /*dropout_p=*/0.0,
          /*is_causal=*/true, state.philox_seed, state.philox_offset);
      return {query, key, value};
    }
    case AttentionKind::kExplicit:
      break;
  }
  return ExplicitBackward(gradient_output, state);
}

}  // namespace besa::pruner
