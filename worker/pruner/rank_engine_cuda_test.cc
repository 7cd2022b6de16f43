// Engines on GPUs that prune together through NCCL. With one GPU: a group of one, whose all-reduces are in the recorded
// step all the same. With more: as many as there are, up to four, each in a thread of this process.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/object/open_store.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {
namespace {

class RankEngineOnCuda : public testing::Test {
 protected:
  void SetUp() override {
    while (gpus_ < 4 && Engine::Create({.device = absl::StrCat("cuda:", gpus_)}).ok()) ++gpus_;
    if (gpus_ == 0) GTEST_SKIP() << "no GPU here";
    store_ = storage::OpenStore({.allowed_prefixes = {BESA_TEST_DATA}}).value();
    const auto folder = storage::Uri::Parse(std::string(BESA_TEST_DATA) + "/books-llama-3m").value();
    checkpoint_.emplace(storage::Checkpoint::Open(*store_, folder).value());
  }

  // Two blocks, one after the other, on so many GPUs: what each rank makes of the second. 0: without a group. Or by a
  // sweep block 2 and those behind it: what each rank makes of its own.
  enum class Way { kTogether, kSweep };
  std::vector<BlockPruning> Prune(int ranks, const BesaOptions& options, std::optional<ComputeType> compute,
                                  Way way = Way::kTogether, std::optional<Placement> activations = {}) {
    TokenWindows windows = {.windows = 16, .length = 64};
    for (int64_t i = 0; i < 16 * 64; ++i) windows.ids.push_back(static_cast<int32_t>(i * i * 31 % 997));
    const std::string store = absl::StrCat(testing::TempDir(), "/cuda-ranks-", getpid(), "-", groups_++);
    std::vector<BlockPruning> results(static_cast<size_t>(std::max(1, ranks)));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < std::max(1, ranks); ++rank) {
      threads.emplace_back([&, rank] {
        EngineOptions engine_options = {.device = absl::StrCat("cuda:", rank), .activations = activations};
        if (ranks > 0) engine_options.ranks = RankOptions{.rank = rank, .size = ranks, .store = store};
        const auto engine = Engine::Create(engine_options);
        ASSERT_TRUE(engine.ok()) << engine.status();
        const bool sweep = way == Way::kSweep;
        const std::vector<int64_t> blocks = sweep ? std::vector<int64_t>{2 + rank} : std::vector<int64_t>{1, 2};
        for (const int64_t block : blocks) {
          const PruneRequest request = {.config = &checkpoint_->config(),
                                        .dense = &*checkpoint_,
                                        .block_tensors = checkpoint_->BlockTensors(block),
                                        .stream_key = "books",
                                        .calibration = &windows,
                                        .block = block,
                                        .options = options,
                                        .compute = compute};
          auto pruned = sweep ? (*engine)->PruneOwnBlock(request, nullptr) : (*engine)->Prune(request, nullptr);
          ASSERT_TRUE(pruned.ok()) << pruned.status();
          results[static_cast<size_t>(rank)] = *std::move(pruned);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return results;
  }

  static void ExpectSame(const BlockPruning& a, const BlockPruning& b) {
    ASSERT_EQ(a.tensors.size(), b.tensors.size());
    for (size_t i = 0; i < a.tensors.size(); ++i) {
      EXPECT_EQ(a.tensors[i].bytes, b.tensors[i].bytes) << a.tensors[i].name;
    }
    EXPECT_EQ(a.loss, b.loss);
    EXPECT_EQ(a.recovery_loss, b.recovery_loss);
    EXPECT_EQ(a.final_loss, b.final_loss);
  }

  const BesaOptions options_ = {.batch_size = 4, .epochs = 8, .recovery = {.epochs = 2, .batch_size = 4}};
  int gpus_ = 0;
  int groups_ = 0;
  std::unique_ptr<storage::ObjectStore> store_;
  std::optional<storage::Checkpoint> checkpoint_;
};

TEST_F(RankEngineOnCuda, AGroupOfOneIsAnEngineAloneToTheBit) {
  for (const ComputeType compute : {ComputeType::kFloat32, ComputeType::kBFloat16}) {
    ExpectSame(Prune(1, options_, compute).front(), Prune(0, options_, compute).front());
  }
}

TEST_F(RankEngineOnCuda, ASweepOfOneIsAnEngineAloneToTheBitWhereverActivationsLie) {
  for (const ComputeType compute : {ComputeType::kFloat32, ComputeType::kBFloat16}) {
    const BlockPruning alone = Prune(0, options_, compute).front();
    for (const Placement placement : {Placement::kDevice, Placement::kHost}) {
      ExpectSame(Prune(1, options_, compute, Way::kSweep, placement).front(), alone);
    }
  }
}

TEST_F(RankEngineOnCuda, InASweepEachGpuPrunesABlockNearlyAsOneAlone) {
  if (gpus_ < 2) GTEST_SKIP() << "one GPU only";
  for (const ComputeType compute : {ComputeType::kFloat32, ComputeType::kBFloat16}) {
    const BlockPruning alone = Prune(0, options_, compute).front();
    for (int ranks = 2; ranks <= gpus_; ++ranks) {
      const std::vector<BlockPruning> swept = Prune(ranks, options_, compute, Way::kSweep);
      const std::vector<BlockPruning> from_host = Prune(ranks, options_, compute, Way::kSweep, Placement::kHost);
      for (size_t rank = 0; rank < swept.size(); ++rank) ExpectSame(from_host[rank], swept[rank]);
      // Block 2 is that of the first rank.
      ASSERT_EQ(swept.front().loss.size(), alone.loss.size());
      EXPECT_EQ(swept.front().input_sha256, alone.input_sha256);
      EXPECT_NEAR(swept.front().final_loss, alone.final_loss, 0.02 * alone.final_loss);
    }
  }
}

TEST_F(RankEngineOnCuda, AllGpusComeToTheSame) {
  if (gpus_ < 2) GTEST_SKIP() << "one GPU only";
  for (const ComputeType compute : {ComputeType::kFloat32, ComputeType::kBFloat16}) {
    const BlockPruning alone = Prune(0, options_, compute).front();
    for (int ranks = 2; ranks <= gpus_; ++ranks) {
      const std::vector<BlockPruning> together = Prune(ranks, options_, compute);
      for (const BlockPruning& other : together) ExpectSame(other, together.front());
      double worst = 0.0;
      ASSERT_EQ(together.front().loss.size(), alone.loss.size());
      for (size_t i = 0; i < alone.loss.size(); ++i) {
        worst = std::max(worst, std::abs(double{together.front().loss[i]} / alone.loss[i] - 1.0));
      }
      std::printf("%d GPUs, %s: losses within %.2g%% of one GPU's\n", ranks,
                  compute == ComputeType::kFloat32 ? "float32" : "bfloat16", 100 * worst);
      EXPECT_LT(worst, 0.02);
    }
  }
}

}  // namespace
}  // namespace besa::pruner
