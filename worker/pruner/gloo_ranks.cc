#include "worker/pruner/gloo_ranks.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <chrono>
#include <utility>
#include <vector>

namespace besa::pruner {
namespace {

// A rank may have to wait while another one still reads its weights. Those that wait for nobody are ended from outside.
constexpr std::chrono::hours kPatience(24);
// The tag of rows that are gathered.
constexpr int kRows = 1;

class GlooRanks final : public RankGroup {
 public:
  explicit GlooRanks(c10::intrusive_ptr<c10d::ProcessGroupGloo> group) : group_(std::move(group)) {}

  int rank() const override { return group_->getRank(); }
  int size() const override { return group_->getSize(); }

  // A ring: each part is added up by one rank, which sends it to all.
  void AllReduceSum(const at::Tensor& x) override {
    std::vector<at::Tensor> tensors = {x};
    group_->allreduce(tensors)->wait();
  }

  at::Tensor AllGather(const at::Tensor& x) override {
    std::vector<int64_t> shape = x.sizes().vec();
    shape.insert(shape.begin(), size());
    const at::Tensor all = at::empty(shape, x.options());
    std::vector<at::Tensor> input = {x};
    std::vector<std::vector<at::Tensor>> output = {all.unbind(0)};
    group_->allgather(output, input)->wait();
    return all;
  }

  void Broadcast(const at::Tensor& x, int root) override {
    std::vector<at::Tensor> tensors = {x};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    group_->broadcast(tensors, options)->wait();
  }

  // Row by row. A pair's messages arrive in the order in which they were sent.
  void Gather(const at::Tensor& x, at::ArrayRef<int> to, const std::vector<at::Tensor>& all) override {
    std::vector<c10::intrusive_ptr<c10d::Work>> under_way;
    for (const int other : to) {
      if (other == rank()) continue;
      for (int64_t row = 0; row < x.size(0); ++row) {
        std::vector<at::Tensor> tensors = {x.select(0, row)};
        under_way.push_back(group_->send(tensors, other, kRows));
      }
    }
    for (int other = 0; other < static_cast<int>(all.size()); ++other) {
      const at::Tensor& place = all[static_cast<size_t>(other)];
      if (other == rank()) place.copy_(x);
      for (int64_t row = 0; row < place.size(0) && other != rank(); ++row) {
        std::vector<at::Tensor> tensors = {place.select(0, row)};
        under_way.push_back(group_->recv(tensors, other, kRows));
      }
    }
    for (const auto& work : under_way) work->wait();
  }

 private:
  const c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
};

}  // namespace

std::unique_ptr<RankGroup> JoinGloo(const RankOptions& options) {
  const auto store = c10::make_intrusive<c10d::FileStore>(options.store, options.size);
  const auto gloo = c10d::ProcessGroupGloo::Options::create(kPatience);
  // All ranks are on this machine, and nobody else is to reach them.
  gloo->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1"));
  gloo->threads = 1;
  auto ranks =
      std::make_unique<GlooRanks>(c10::make_intrusive<c10d::ProcessGroupGloo>(store, options.rank, options.size, gloo));
  // Connected to all others, but are they to each other? Nobody goes, and takes the file along, before they are.
  ranks->AllReduceSum(at::zeros({1}));
  return ranks;
}

}  // namespace besa::pruner
