#include "worker/pruner/swiglu.h"

#include <ATen/ops/empty.h>

#include "worker/kernels/block_kernels.h"
#include "worker/pruner/tensor_view.h"

namespace besa::pruner {

at::Tensor SwiGlu(const at::Tensor& gate_up) {
  const int64_t width = gate_up.size(1) / 2;
  at::Tensor activation = at::empty({gate_up.size(0), width}, gate_up.options());
  Check(kernels::SwiGlu(DeviceOf(gate_up), MatrixOf(gate_up), MatrixOf(activation)));
  return activation;
}

void SwiGluBackward(const at::Tensor& gradient_output, const at::Tensor& gate_up) {
  Check(kernels::SwiGluBackward(DeviceOf(gate_up), MatrixOf(gradient_output), MatrixOf(gate_up), MatrixOf(gate_up)));
}

}  // namespace besa::pruner
