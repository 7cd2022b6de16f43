// The gated activation of LLaMA's MLP: silu(gate) * up (Shazeer 2020).
#pragma once

#include <ATen/core/Tensor.h>

namespace besa::pruner {

// gate_up [tokens, 2 * intermediate], gate first. Returns [tokens, intermediate].
at::Tensor SwiGlu(const at::Tensor& gate_up);

// Replaces gate_up by its gradient.
void SwiGluBackward(const at::Tensor& gradient_output, const at::Tensor& gate_up);

}  // namespace besa::pruner
