#include "worker/pruner/swiglu.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>

namespace besa::pruner {

at::Tensor SwiGlu(const at::Tensor& gate_up) {
  const int64_t width = gate_up.size(1) / 2;
  return at::silu(gate_up.narrow(1, 0, width)).mul_(gate_up.narrow(1, width, width));
}

at::Tensor SwiGluBackward(at::Tensor gradient_output, const at::Tensor& gate_up) {
  const int64_t width = gate_up.size(1) / 2;
  const at::Tensor gate = gate_up.narrow(1, 0, width);
  at::Tensor gradient = at::empty_like(gate_up);
  at::Tensor gradient_gate = gradient.narrow(1, 0, width);
  at::Tensor gradient_up = gradient.narrow(1, width, width);
  at::silu_out(gradient_up, gate);
  gradient_up.mul_(gradient_output);
  gradient_output.mul_(gate_up.narrow(1, width, width));
  at::silu_backward_out(gradient_gate, gradient_output, gate);
  return gradient;
}

}  // namespace besa::pruner
