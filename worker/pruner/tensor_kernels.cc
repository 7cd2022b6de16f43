#include "worker/pruner/tensor_kernels.h"

#include <ATen/ops/empty.h>

#include "worker/kernels/kernels.h"
#include "worker/pruner/tensor_view.h"

namespace besa::pruner {
namespace {

uint16_t* Ranks(const at::Tensor& order) { return reinterpret_cast<uint16_t*>(order.data_ptr<int16_t>()); }

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

void UpdateMasked(const at::Tensor& weight, const at::Tensor& order, const at::Tensor& k, const at::Tensor& k_before,
                  const at::Tensor& out) {
  Check(kernels::UpdateMasked(DeviceOf(weight), MatrixOf(weight), Ranks(order), k.data_ptr<int32_t>(),
                              k_before.data_ptr<int32_t>(), MatrixOf(out)));
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
