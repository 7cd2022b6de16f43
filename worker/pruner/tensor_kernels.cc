#include "worker/pruner/tensor_kernels.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAStream.h>

#include <string>

#include "absl/status/status.h"
#include "worker/kernels/kernels.h"

namespace besa::pruner {
namespace {

kernels::Device DeviceOf(const at::Tensor& x) {
  if (x.is_cuda()) return kernels::Device::Cuda(c10::cuda::getCurrentCUDAStream(x.device().index()).stream());
  return kernels::Device::Cpu([](int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
    at::parallel_for(0, count, grain, body);
  });
}

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

kernels::Matrix MatrixOf(const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 2 && x.is_contiguous(), "a contiguous matrix is needed");
  return {x.data_ptr(), TypeOf(x), x.size(0), x.size(1)};
}

uint16_t* Ranks(const at::Tensor& order) { return reinterpret_cast<uint16_t*>(order.data_ptr<int16_t>()); }

void Check(const absl::Status& status) { TORCH_CHECK(status.ok(), std::string(status.message())); }

}  // namespace

void AddColumnSquares(const at::Tensor& x, const at::Tensor& sums) {
  Check(kernels::AddColumnSquares(DeviceOf(x), MatrixOf(x), sums.data_ptr()));
}

void RankRows(const at::Tensor& weight, const at::Tensor& sums, int64_t samples, const at::Tensor& order) {
  Check(kernels::RankRows(DeviceOf(weight), MatrixOf(weight), sums.data_ptr(), samples, Ranks(order), nullptr));
}

at::Tensor RankRows(const at::Tensor& weight, const at::Tensor& sums, int64_t samples) {
  at::Tensor order = at::empty(weight.sizes(), weight.options().dtype(at::kShort));
  RankRows(weight, sums, samples, order);
  return order;
}

void WriteMasked(const at::Tensor& weight, const at::Tensor& order, const at::Tensor& k, const at::Tensor& out) {
  Check(kernels::WriteMasked(DeviceOf(weight), MatrixOf(weight), Ranks(order), k.data_ptr<int32_t>(), MatrixOf(out)));
}

void BucketHistogram(const at::Tensor& weight, const at::Tensor& gradient, const at::Tensor& order,
                     const at::Tensor& h) {
  Check(kernels::BucketHistogram(DeviceOf(weight), MatrixOf(weight), MatrixOf(gradient), Ranks(order), h.data_ptr()));
}

void CountNonFinite(const at::Tensor& x, const at::Tensor& count) {
  const at::Tensor matrix = x.reshape({-1, x.size(-1)});
  Check(kernels::CountNonFinite(DeviceOf(x), MatrixOf(matrix), count.data_ptr<int64_t>()));
}

int64_t CountNonFinite(const at::Tensor& x) {
  const at::Tensor count = at::empty({}, x.options().dtype(at::kLong));
  CountNonFinite(x, count);
  return count.item<int64_t>();
}

void CountZeros(const at::Tensor& x, const at::Tensor& count) {
  Check(kernels::CountZeros(DeviceOf(x), MatrixOf(x), count.data_ptr<int64_t>()));
}

}  // namespace besa::pruner
