#include "worker/pruner/group_sweep.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "storage/base/status_macros.h"
#include "worker/pruner/block_shape.h"
#include "worker/pruner/dense_stream.h"
#include "worker/pruner/finite_watch.h"

namespace besa::pruner {
namespace {

// All windows in front of a block, as they come in from the ranks.
class Collected {
 public:
  explicit Collected(const Activations& whole) : whole_(whole), sink_(whole) {}

  // Where the next `count` windows from `first` on are to be put, on the device.
  at::Tensor Place(int64_t first, int64_t count) const {
    const at::Tensor& values = whole_.values();
    if (values.device() == whole_.device()) return values.narrow(0, first, count);
    std::vector<int64_t> sizes = values.sizes().vec();
    sizes[0] = count;
    return at::empty(sizes, at::TensorOptions(whole_.device()).dtype(values.scalar_type()));
  }

  // They have been put there.
  void Take(int64_t first, const at::Tensor& place) {
    if (whole_.values().device() != whole_.device()) sink_.Write(first, place);
  }

 private:
  const Activations whole_;
  ActivationSink sink_;
};

void BroadcastWeights(const BlockWeights& weights, int root, RankGroup& ranks) {
  const auto broadcast = [&](const at::Tensor& x) {
    if (x.defined()) ranks.Broadcast(x, root);
  };
  broadcast(weights.input_norm);
  broadcast(weights.post_attention_norm);
  broadcast(weights.qk_norm);
  for (const at::Tensor& group : weights.groups) broadcast(group);
  for (const at::Tensor& bias : weights.biases) broadcast(bias);
}

class Sweeper {
 public:
  explicit Sweeper(const GroupSweep& sweep)
      : sweep_(sweep),
        ranks_(sweep.ranks),
        share_(sweep.share),
        first_block_(sweep.request.block - sweep.ranks.rank()),
        batch_(WalkBatch(sweep.request.calibration->length, sweep.options.device())) {
    const std::vector<int64_t> sizes = {share_.samples, sweep.request.calibration->length,
                                        sweep.request.config->hidden_size};
    swept_.x = Activations::Allocate(sizes, sweep.options, sweep.placement);
    swept_.reference = Activations::Allocate(sizes, sweep.options, sweep.placement);
    x_.emplace(swept_.x);
    reference_.emplace(swept_.reference);
  }

  absl::StatusOr<SweptBlock> Run(ActivationStream& stream) {
    ActivationStream walking = std::exchange(stream, {});
    for (int owner = 0; owner < ranks_.size(); ++owner) {
      RETURN_IF_ERROR(Through(owner, walking.activations));
      ++walking.block;
    }
    stream = std::move(walking);
    x_.reset();
    reference_.reset();
    return std::move(swept_);
  }

 private:
  // Through the block of this rank.
  absl::Status Through(int owner, const Activations& stream) {
    const int64_t index = first_block_ + owner;
    sweep_.weights.shape = BlockShape::Of(*sweep_.request.config, index);
    if (owner == ranks_.rank()) RETURN_IF_ERROR(sweep_.upload());
    BroadcastWeights(sweep_.weights, owner, ranks_);
    std::unique_ptr<PruningMethod> method =
        MakeMethod(sweep_.request.options.method, sweep_.weights.shape, sweep_.options);
    RETURN_IF_ERROR(Walk(owner, index, stream, *method));
    method->AddUp(ranks_);
    if (owner == ranks_.rank()) swept_.method = std::move(method);
    return absl::OkStatus();
  }

  absl::Status Walk(int owner, int64_t index, const Activations& stream, PruningMethod& method) {
    // The next rank prunes what comes out of this block's.
    std::vector<int> takers = {owner};
    if (owner + 1 < ranks_.size()) takers.push_back(owner + 1);
    FiniteWatch watch(sweep_.options.device());
    ActivationFeed feed({stream}, BatchesOf(stream.windows(), batch_));
    ActivationSink sink(stream);
    // The batch whose output is not yet known to be good: its input is still there.
    struct {
      int64_t first = 0;
      at::Tensor y;
    } pending;
    const auto settle = [&]() -> absl::Status {
      if (!pending.y.defined() || pending.y.size(0) == 0) return absl::OkStatus();
      const int64_t count = pending.y.size(0);
      if (!watch.NextIsFinite()) {
        BlockState state;
        const at::Tensor x = stream.Batch(pending.first, count);
        return CheckActivations(index, state, sweep_.block.Forward(x, sweep_.weights, &state));
      }
      sink.Write(pending.first, pending.y);
      return sweep_.reporter.Step(owner * stream.windows() + pending.first + count);
    };
    // As many batches as the rank with most windows has: another one's may be empty.
    const int64_t most = SampleShare{.samples = share_.samples, .ranks = share_.ranks}.own();
    for (int64_t first = 0; first < most; first += batch_) {
      at::Tensor x = stream.values().narrow(0, 0, 0);
      at::Tensor y = x;
      if (first < stream.windows()) {
        x = feed.Next()[0];
        BlockState state;
        y = sweep_.block.Forward(x, sweep_.weights, &state);
        watch.Queue(y);
        method.Observe(state);
      }
      if (owner == 0) Bring(x, first, {0}, ranks_.rank() == 0 ? &*x_ : nullptr);
      Bring(y, first, takers, WhatComesBehind(owner));
      RETURN_IF_ERROR(settle());
      pending = {first, y};
    }
    return settle();
  }

  // What the output of the owner's block is to this rank.
  Collected* WhatComesBehind(int owner) {
    if (owner == ranks_.rank()) return &*reference_;
    return owner + 1 == ranks_.rank() ? &*x_ : nullptr;
  }

  // A batch of every rank's own windows, from `first` on, to the ranks `to`; `into`, if this is one of them.
  void Bring(const at::Tensor& own, int64_t first, const std::vector<int>& to, Collected* into) {
    if (into == nullptr) return ranks_.Gather(own, to, {});
    const int64_t begin = first * share_.ranks;
    const int64_t count = std::min(batch_ * share_.ranks, share_.samples - begin);
    const at::Tensor place = into->Place(begin, count);
    std::vector<at::Tensor> of_ranks;
    for (int rank = 0; rank < share_.ranks; ++rank) of_ranks.push_back(place.slice(0, rank, count, share_.ranks));
    ranks_.Gather(own, to, of_ranks);
    into->Take(begin, place);
  }

  const GroupSweep& sweep_;
  RankGroup& ranks_;
  const SampleShare share_;
  const int64_t first_block_;
  const int64_t batch_;
  SweptBlock swept_;
  // While they come in.
  std::optional<Collected> x_;
  std::optional<Collected> reference_;
};

}  // namespace

absl::StatusOr<SweptBlock> SweepGroup(const GroupSweep& sweep, ActivationStream& stream) {
  return Sweeper(sweep).Run(stream);
}

}  // namespace besa::pruner
