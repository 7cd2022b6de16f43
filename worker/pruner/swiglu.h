// The gated activation of LLaMA's MLP: silu(gate) * up (Shazeer 2020).
#pragma once

#include <ATen/core/Tensor.h>

namespace besa::pruner {

// gate_up [tokens, 2 * intermediate], gate first. Returns [tokens, intermediate].
at::Tensor SwiGlu(const at::Tensor& gate_up);

// Returns the gradient of gate_up. `gradient_output` is used as scratch space.
at::Tensor SwiGluBackward(at::Tensor gradient_output, const at::Tensor& gate_up);

}  // namespace besa::pruner
