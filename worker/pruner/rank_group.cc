#include "worker/pruner/rank_group.h"

#include "worker/pruner/errors.h"
#include "worker/pruner/gloo_ranks.h"
#include "worker/pruner/nccl_ranks.h"

namespace besa::pruner {
namespace {

class GroupOfOne final : public RankGroup {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void AllReduceSum(const at::Tensor&) override {}
  at::Tensor AllGather(const at::Tensor& x) override { return x.unsqueeze(0); }
  void Broadcast(const at::Tensor&, int) override {}
  void Gather(const at::Tensor& x, at::ArrayRef<int> to, const std::vector<at::Tensor>& all) override {
    if (!to.empty()) all.front().copy_(x);
  }
};

}  // namespace

RankGroup& RankGroup::Alone() {
  static GroupOfOne alone;
  return alone;
}

absl::StatusOr<std::unique_ptr<RankGroup>> JoinRanks(const RankOptions& options, at::Device device) {
  return CatchExceptions([&]() -> absl::StatusOr<std::unique_ptr<RankGroup>> {
    return device.is_cuda() ? JoinNccl(options, device) : JoinGloo(options);
  });
}

}  // namespace besa::pruner
