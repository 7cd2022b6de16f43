// Seconds of the pruner's parts on the shapes of the small models, on random weights:
//   pruner_bench [threads]
//
// The yardstick of a training step is its own matrix products, timed alone in the same run: those of the seven linears,
// and those inside attention, of every block of queries with the keys that it sees.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>

#include "storage/base/clock.h"
#include "worker/pruner/block_trainer.h"
#include "worker/pruner/compute_device.h"
#include "worker/pruner/importance.h"

namespace besa::pruner {
namespace {

// How often each part is measured.
constexpr int kRounds = 15;

double Milliseconds(const std::function<void()>& body) {
  const absl::Duration begin = Clock::Real().Steady();
  body();
  return absl::ToDoubleMilliseconds(Clock::Real().Steady() - begin);
}

// Milliseconds a call of each: the fastest of several, as others may use the machine too. They take turns, so that a
// machine that is slower for a while is so for all of them.
template <size_t kParts>
std::array<double, kParts> FastestMilliseconds(const std::array<std::function<void()>, kParts>& parts) {
  std::array<double, kParts> best;
  best.fill(std::numeric_limits<double>::infinity());
  for (int round = 0; round < kRounds; ++round) {
    for (size_t part = 0; part < kParts; ++part) best[part] = std::min(best[part], Milliseconds(parts[part]));
  }
  return best;
}

// The matrix products of the linears in one training step and nothing else.
void LinearProducts(const BlockWeights& weights, const std::array<at::Tensor, kGroups>& inputs,
                    const std::array<at::Tensor, kGroups>& gradients) {
  for (int group = 0; group < kGroups; ++group) {
    at::mm(inputs[group], weights.groups[group].t());
    at::mm(gradients[group].t(), inputs[group]);
    if (group != kQkv) at::mm(gradients[group], weights.groups[group]);
  }
}

// The matrix products inside attention in one training step and nothing else: two forward and five backward (scores are
// made again), by as many queries at a time as LibTorch's CPU kernel takes, each with the keys up to the last of them.
void AttentionProducts(const BlockShape& shape, int64_t batch, int64_t length, const at::TensorOptions& options) {
  const int64_t queries = length >= 768 ? 256 : length >= 192 ? 64 : 32;
  const at::Tensor q = at::ones({length, shape.head_dim}, options);
  const at::Tensor scores = at::ones({queries, length}, options);
  for (int64_t head = 0; head < batch * shape.heads; ++head) {
    for (int64_t first = 0; first < length; first += queries) {
      const at::Tensor some = q.narrow(0, first, std::min(queries, length - first));
      const at::Tensor all = q.narrow(0, 0, first + some.size(0));
      const at::Tensor weights = scores.narrow(0, 0, some.size(0)).narrow(1, 0, all.size(0));
      for (int product = 0; product < 3; ++product) at::mm(some, all.t());      // scores twice, gradient of weights
      for (int product = 0; product < 2; ++product) at::mm(weights, all);       // output, gradient of queries
      for (int product = 0; product < 2; ++product) at::mm(weights.t(), some);  // gradients of keys and values
    }
  }
}

void Measure(const char* name, const BlockShape& shape, int64_t batch, int64_t length) {
  const at::TensorOptions options = at::kFloat;
  BlockWeights weights = BlockWeights::AllocateLinears(shape, options);
  weights.input_norm = at::ones({shape.hidden}, options);
  weights.post_attention_norm = at::ones({shape.hidden}, options);
  for (at::Tensor& group : weights.groups) group.copy_(at::randn(group.sizes(), options)).mul_(0.05);
  const at::Tensor x = at::randn({batch, length, shape.hidden}, options);
  const LlamaBlock block(shape, length, options);
  InputStatistics statistics(shape, options);
  BlockState state;
  const at::Tensor reference = block.Forward(x, weights, &state);
  statistics.Add(state);
  const auto orders = RankLinears(weights, statistics, batch);

  std::array<at::Tensor, kGroups> gradients;
  for (int group = 0; group < kGroups; ++group) {
    gradients[group] = at::randn({batch * length, shape.GroupRows(Group(group))}, options);
  }
  const std::array<at::Tensor, kGroups> inputs = state.inputs;

  BlockTrainer trainer(block, weights, orders, weights.WithOwnLinears(), {.prior_sigma = 0.08}, 5.0);
  // Steps of a training that has begun: what has to be removed changes from one to the next.
  for (int warm_up = 0; warm_up < 32; ++warm_up) trainer.Step({x, reference});
  const auto [step, linears, attention, forward, rank] = FastestMilliseconds<5>(
      {[&] { trainer.Step({x, reference}); }, [&] { LinearProducts(weights, inputs, gradients); },
       [&] { AttentionProducts(shape, batch, length, options); }, [&] { block.Forward(x, weights, nullptr); },
       [&] { RankLinears(weights, statistics, batch); }});
  std::printf(
      "%-4s %lld x %lld: step %.2f ms, its matrix products %.2f (linears %.2f, inside attention %.2f), ratio %.2f; "
      "dense "
      "forward %.2f, rank %.2f\n",
      name, static_cast<long long>(batch), static_cast<long long>(length), step, linears + attention, linears,
      attention, step / (linears + attention), forward, rank);
}

}  // namespace
}  // namespace besa::pruner

int main(int argc, char** argv) {
  // As an engine does: threads, and what malloc keeps.
  const auto device =
      besa::pruner::ComputeDevice::Open({.device = "cpu", .threads = argc > 1 ? std::atoi(argv[1]) : 1});
  if (!device.ok()) {
    std::fprintf(stderr, "pruner_bench: %s\n", device.status().ToString().c_str());
    return 1;
  }
  device->Use();
  const besa::pruner::BlockShape small = {192, 512, 3, 1, 64, 1e-5, 10000.0};
  const besa::pruner::BlockShape medium = {512, 1408, 8, 4, 64, 1e-5, 10000.0};
  besa::pruner::Measure("3m", small, 2, 256);
  besa::pruner::Measure("28m", medium, 1, 512);
  besa::pruner::Measure("28m", medium, 4, 512);
}
