#include "worker/pruner/mask.h"

#include <ATen/ops/argsort.h>
#include <ATen/ops/zeros_like.h>

namespace besa::pruner {

at::Tensor SmallestOfAll(const at::Tensor& scores, int64_t count) {
  const at::Tensor order = at::argsort(scores.reshape({-1}), /*stable=*/true, /*dim=*/0, /*descending=*/false);
  const at::Tensor smallest = at::zeros_like(scores, scores.options().dtype(at::kBool), at::MemoryFormat::Contiguous);
  smallest.view({-1}).index_fill_(0, order.narrow(0, 0, count), true);
  return smallest;
}

at::Tensor SmallestOfGroups(const at::Tensor& scores, const Pattern& pattern) {
  const at::Tensor groups = scores.reshape({scores.size(0), -1, pattern.of});
  const at::Tensor order = at::argsort(groups, /*stable=*/true, /*dim=*/2, /*descending=*/false);
  const at::Tensor smallest = at::zeros_like(groups, groups.options().dtype(at::kBool), at::MemoryFormat::Contiguous);
  smallest.scatter_(2, order.narrow(2, 0, pattern.of - pattern.kept), true);
  return smallest.view(scores.sizes());
}

LinearPruning FromMask(const at::Tensor& remove) {
  const at::Tensor counts = remove.sum(1).to(at::kCPU, at::kInt).contiguous();
  LinearPruning linear;
  linear.order = at::argsort(remove.to(at::kByte), /*stable=*/true, /*dim=*/1, /*descending=*/true).to(at::kShort);
  linear.pruned = {counts.data_ptr<int32_t>(), counts.data_ptr<int32_t>() + counts.numel()};
  for (const int32_t pruned : linear.pruned) {
    linear.rate.push_back(static_cast<float>(pruned) / static_cast<float>(remove.size(1)));
  }
  return linear;
}

}  // namespace besa::pruner
