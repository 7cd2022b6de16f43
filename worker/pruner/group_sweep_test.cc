// A sharded sweep by some ranks against one engine's way to the same blocks, in float64: nothing is different but the
// order in which statistics are added up.
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/checkpoint/checkpoint.h"
#include "storage/object/open_store.h"
#include "worker/pruner/block_workspace.h"
#include "worker/pruner/golden.h"
#include "worker/pruner/group_sweep.h"
#include "worker/pruner/load_weights.h"
#include "worker/pruner/rank_testing.h"

namespace besa::pruner {
namespace {

// What becomes of one block of books-llama-3m.
struct Outcome {
  at::Tensor x;
  at::Tensor reference;
  MethodResult result;
};

constexpr int64_t kLength = 32;
constexpr int64_t kFirst = 1;

class GroupSweepTest : public testing::Test {
 protected:
  GroupSweepTest()
      : store_(storage::OpenStore({.allowed_prefixes = {BESA_TEST_DATA}}).value()),
        checkpoint_(storage::Checkpoint::Open(
                        *store_, storage::Uri::Parse(std::string(BESA_TEST_DATA) + "/books-llama-3m").value())
                        .value()) {}

  // The windows of one rank, of tokens that follow no text, but always the same.
  static TokenWindows Windows(const SampleShare& share) {
    TokenWindows windows = {.windows = share.own(), .length = kLength};
    for (int64_t own = 0; own < share.own(); ++own) {
      for (int64_t i = 0; i < kLength; ++i) {
        const int64_t token = share.Global(own) * kLength + i;
        windows.ids.push_back(static_cast<int32_t>(token * token * 31 % 997));
      }
    }
    return windows;
  }

  PruneRequest Request(int64_t block, const TokenWindows& windows, const BesaOptions& options) const {
    return {.config = &checkpoint_.config(),
            .dense = &checkpoint_,
            .stream_key = "books",
            .calibration = &windows,
            .block = block,
            .options = ResolveOptions(options, checkpoint_.config(), windows.windows)};
  }

  // From what enters the block and comes out of it, on all windows.
  Outcome Train(PruningMethod& method, const PruneRequest& request, const Activations& x, const Activations& reference,
                BlockWorkspace& workspace, StageReporter& reporter) const {
    MethodResult result = method
                              .Prune({.options = request.options,
                                      .block = workspace.block(),
                                      .block_index = request.block,
                                      .dense = workspace.dense(),
                                      .x = x,
                                      .reference = reference,
                                      .share = {.samples = x.windows()},
                                      .workspace = &workspace},
                                     reporter)
                              .value();
    return {x.values(), reference.values(), std::move(result)};
  }

  // As an engine does alone, plainly.
  Outcome Alone(int64_t index, int64_t samples, const BesaOptions& options) const {
    const TokenWindows windows = Windows({.samples = samples});
    const PruneRequest request = Request(index, windows, options);
    BlockWorkspace workspace;
    workspace.Prepare(BlockShape::Of(checkpoint_.config(), index), kLength, type_);
    const Observer nobody;
    StageReporter reporter(nobody, Clock::Real());
    ActivationStream stream;
    StreamWalker walker(request, type_, Placement::kDevice, workspace.block(), workspace.dense(), reporter);
    EXPECT_TRUE(walker.WalkDense(index, stream).ok());
    EXPECT_TRUE(LoadBlock(checkpoint_, index, workspace.dense()).ok());
    const auto method = MakeMethod(request.options.method, workspace.block().shape(), type_);
    BlockState state;
    const at::Tensor y = workspace.block().Forward(stream.activations.values(), workspace.dense(), &state);
    method->Observe(state);
    return Train(*method, request, stream.activations, y, workspace, reporter);
  }

  // Blocks kFirst, kFirst + 1, ... by a rank each.
  std::vector<Outcome> Sweep(int size, int64_t samples, const BesaOptions& options,
                             Placement placement = Placement::kDevice) const {
    std::vector<Outcome> outcomes(static_cast<size_t>(size));
    OnRanks(size, [&](RankGroup& ranks) {
      const SampleShare share = {.samples = samples, .rank = ranks.rank(), .ranks = size};
      const TokenWindows windows = Windows(share);
      const int64_t own = kFirst + ranks.rank();
      PruneRequest request = Request(own, windows, options);
      request.options = ResolveOptions(options, checkpoint_.config(), samples);
      BlockWorkspace workspace;
      workspace.Prepare(BlockShape::Of(checkpoint_.config(), own), kLength, type_);
      const Observer nobody;
      StageReporter reporter(nobody, Clock::Real());
      ActivationStream stream;
      StreamWalker walker(request, type_, placement, workspace.block(), workspace.dense(), reporter);
      ASSERT_TRUE(walker.WalkDense(kFirst, stream).ok());
      const auto upload = [&] { return LoadBlock(checkpoint_, own, workspace.dense()); };
      auto swept = SweepGroup({.request = request,
                               .share = share,
                               .ranks = ranks,
                               .options = type_,
                               .placement = placement,
                               .block = workspace.block(),
                               .weights = workspace.dense(),
                               .upload = upload,
                               .reporter = reporter},
                              stream);
      ASSERT_TRUE(swept.ok()) << swept.status();
      EXPECT_EQ(stream.block, kFirst + size);
      EXPECT_EQ(stream.activations.windows(), share.own());
      ASSERT_TRUE(LoadBlock(checkpoint_, own, workspace.dense()).ok());
      outcomes[static_cast<size_t>(ranks.rank())] =
          Train(*swept->method, request, swept->x, swept->reference, workspace, reporter);
    });
    return outcomes;
  }

  const at::TensorOptions type_ = at::kDouble;
  const std::unique_ptr<storage::ObjectStore> store_;
  const storage::Checkpoint checkpoint_;
};

struct Kind {
  const char* name;
  BesaOptions options;
};

class SweptMethods : public GroupSweepTest, public testing::WithParamInterface<Kind> {};

// Ranks with equally many windows, with unequally many, and with none.
TEST_P(SweptMethods, EveryCountAndOrderIsThatOfOneEngine) {
  for (const auto& [size, samples] : {std::pair(2, 16), std::pair(4, 13), std::pair(4, 3)}) {
    const std::vector<Outcome> swept = Sweep(size, samples, GetParam().options);
    for (int rank = 0; rank < size; ++rank) {
      const Outcome& own = swept[static_cast<size_t>(rank)];
      const Outcome alone = Alone(kFirst + rank, samples, GetParam().options);
      EXPECT_LT(MaxRelativeDifference(own.x, alone.x), 1e-13);
      EXPECT_LT(MaxRelativeDifference(own.reference, alone.reference), 1e-13);
      for (Linear linear : kAllLinears) {
        EXPECT_EQ(own.result.linears[linear].pruned, alone.result.linears[linear].pruned);
        EXPECT_TRUE(own.result.linears[linear].order.equal(alone.result.linears[linear].order));
      }
      ASSERT_EQ(own.result.loss.size(), alone.result.loss.size());
      for (size_t i = 0; i < own.result.loss.size(); ++i) {
        EXPECT_NEAR(own.result.loss[i], alone.result.loss[i], 1e-6 * alone.result.loss[i]);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, SweptMethods,
                         testing::Values(Kind{"besa", {.batch_size = 4, .epochs = 8}},
                                         Kind{"wanda", {.method = Method::kWanda}},
                                         Kind{"sparsegpt", {.method = Method::kSparseGpt}},
                                         Kind{"magnitude", {.method = Method::kMagnitude}}),
                         [](const auto& kind) { return std::string(kind.param.name); });

// On a CPU there is but one memory, and yet another path.
TEST_F(GroupSweepTest, WhereActivationsLieIsNoMatter) {
  const BesaOptions wanda = {.method = Method::kWanda};
  const std::vector<Outcome> device = Sweep(3, 10, wanda);
  const std::vector<Outcome> host = Sweep(3, 10, wanda, Placement::kHost);
  for (size_t rank = 0; rank < device.size(); ++rank) {
    EXPECT_TRUE(host[rank].x.equal(device[rank].x));
    EXPECT_TRUE(host[rank].reference.equal(device[rank].reference));
  }
}

}  // namespace
}  // namespace besa::pruner
