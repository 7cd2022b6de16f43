#include "worker/pruner/rms_norm.h"

#include <ATen/ops/empty.h>

#include "worker/kernels/block_kernels.h"
#include "worker/pruner/tensor_view.h"

namespace besa::pruner {
namespace {

void Backward(const at::Tensor& gradient_output, const at::Tensor& x, const at::Tensor& weight,
              const at::Tensor& inverse_rms, const at::Tensor& gradient_x, kernels::Store store) {
  Check(kernels::RmsNormBackward(DeviceOf(x), MatrixOf(gradient_output), MatrixOf(x), MatrixOf(weight),
                                 inverse_rms.data_ptr(), MatrixOf(gradient_x), store));
}

}  // namespace

at::ScalarType AccumulatorType(at::ScalarType type) { return type == at::kDouble ? at::kDouble : at::kFloat; }

RmsNormResult RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const int64_t heads = weight.numel() / weight.size(-1);
  const at::TensorOptions accumulator = x.options().dtype(AccumulatorType(x.scalar_type()));
  RmsNormResult result = {.output = at::empty({x.size(0), weight.numel()}, x.options()),
                          .inverse_rms = at::empty({x.size(0), heads}, accumulator)};
  Check(kernels::RmsNorm(DeviceOf(x), MatrixOf(x), MatrixOf(weight), eps, MatrixOf(result.output),
                         result.inverse_rms.data_ptr()));
  return result;
}

void RmsNormBackward(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                     const at::Tensor& inverse_rms) {
  Backward(gradient, x, weight, inverse_rms, gradient, kernels::Store::kReplace);
}

void AddRmsNormBackward(const at::Tensor& gradient_output, const at::Tensor& x, const at::Tensor& weight,
                        const at::Tensor& inverse_rms, const at::Tensor& gradient_x) {
  Backward(gradient_output, x, weight, inverse_rms, gradient_x, kernels::Store::kAdd);
}

}  // namespace besa::pruner
