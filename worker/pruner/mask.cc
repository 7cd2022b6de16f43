#include "worker/pruner/mask.h"

#include <ATen/ops/argsort.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "cost/batches.h"

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

at::Tensor RankByGroups(const at::Tensor& scores, const Pattern& pattern) {
  // Sorting takes 64-bit indices, so some rows at a time.
  const at::Tensor order = at::empty(scores.sizes(), scores.options().dtype(at::kShort));
  const int64_t rows_at_once = std::max<int64_t>(1, cost::SortedAtOnce(scores.is_cuda()) / scores.size(1));
  for (int64_t first = 0; first < scores.size(0); first += rows_at_once) {
    const int64_t rows = std::min(rows_at_once, scores.size(0) - first);
    const at::Tensor some = scores.narrow(0, first, rows);
    const at::Tensor by_group = at::argsort(some.reshape({rows, -1, pattern.of}), /*stable=*/true, 2, false);
    const at::Tensor place = at::argsort(by_group, /*stable=*/true, 2, false).view({rows, -1});
    const at::Tensor by_score = at::argsort(some, /*stable=*/true, 1, false);
    const at::Tensor by_place = at::argsort(place.gather(1, by_score), /*stable=*/true, 1, false);
    order.narrow(0, first, rows).copy_(by_score.gather(1, by_place));
  }
  return order;
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
