#include "worker/pruner/tensor_view.h"

#include <ATen/Parallel.h>
#include <c10/cuda/CUDAStream.h>

#include <string>

namespace besa::pruner {
namespace {

kernels::ElementType TypeOf(const at::Tensor& x) {
  switch (x.scalar_type()) {
    case at::kFloat:
      return kernels::ElementType::kFloat32;
    case at::kBFloat16:
      return kernels::ElementType::kBFloat16;
    case at::kDouble:
      return kernels::ElementType::kFloat64;
    default:
      TORCH_CHECK(false, "no kernels for ", x.scalar_type());
  }
}

}  // namespace

kernels::Device DeviceOf(const at::Tensor& x) {
  if (x.is_cuda()) return kernels::Device::Cuda(c10::cuda::getCurrentCUDAStream(x.device().index()).stream());
  return kernels::Device::Cpu([](int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
    at::parallel_for(0, count, grain, body);
  });
}

kernels::Matrix MatrixOf(const at::Tensor& x) {
  TORCH_CHECK(x.dim() >= 1 && x.is_contiguous(), "a contiguous matrix is needed");
  const int64_t cols = x.size(-1);
  return {x.data_ptr(), TypeOf(x), cols == 0 ? 0 : x.numel() / cols, cols};
}

void Check(const absl::Status& status) { TORCH_CHECK(status.ok(), std::string(status.message())); }

}  // namespace besa::pruner
