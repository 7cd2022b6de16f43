// The share of the floor as it is told of the real engine, on books-llama-3m.
#include "worker/agent/metered_engine.h"

#include <cstdio>
#include <numeric>
#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "storage/checkpoint/checkpoint.h"
#include "storage/object/open_store.h"

namespace besa::worker {
namespace {

using pruner::BlockPruning;
using pruner::Engine;

TEST(DeviceSecondsTest, LeavesOutTheStoreAndWhatLiesBeforeTheBlock) {
  const std::vector<pruner::StageSeconds> stages = {{"fetch", 100}, {"load", 200},  {"walk", 8},   {"statistics", 1},
                                                    {"train", 4},   {"recover", 2}, {"write", 400}};
  EXPECT_EQ(DeviceSeconds(stages, pruner::Schedule::kIndependent), 7);
  // There the walk through the block that was committed last is this one's.
  EXPECT_EQ(DeviceSeconds(stages, pruner::Schedule::kSequential), 15);
}

class MeteredEngineTest : public ::testing::Test {
 protected:
  MeteredEngineTest() { std::iota(calibration_.ids.begin(), calibration_.ids.end(), 0); }

  static std::unique_ptr<Engine> NewEngine() {
    return std::move(Engine::Create({.device = "cpu", .threads = 1})).value();
  }

  BlockPruning Prune(Engine& engine, int64_t block, pruner::Method method = pruner::Method::kBesa,
                     std::optional<pruner::ComputeType> compute = std::nullopt) {
    return engine
        .Prune({.config = &checkpoint_.config(),
                .dense = &checkpoint_,
                .block_tensors = checkpoint_.BlockTensors(block),
                .stream_key = "books",
                .calibration = &calibration_,
                .block = block,
                .options = {.method = method},
                .compute = compute},
               [](const pruner::Progress&) { return true; })
        .value();
  }

  // What a scrape would find.
  std::optional<double> Ratio() const {
    for (const prometheus::MetricFamily& family : registry_.Collect()) {
      if (family.name == "besa_worker_gemm_floor_ratio" && !family.metric.empty()) return family.metric[0].gauge.value;
    }
    return std::nullopt;
  }

  const std::unique_ptr<storage::ObjectStore> store_ =
      storage::OpenStore({.allowed_prefixes = {BESA_TEST_DATA}}).value();
  const storage::Checkpoint checkpoint_ =
      storage::Checkpoint::Open(*store_, *storage::Uri::Parse(BESA_TEST_DATA "/books-llama-3m")).value();
  pruner::TokenWindows calibration_{.windows = 8, .length = 48, .ids = std::vector<int32_t>(8 * 48)};
  prometheus::Registry registry_;
};

TEST_F(MeteredEngineTest, TellsTheShareOfTheLastBlock) {
  const auto engine = MeterEngine(NewEngine(), registry_);
  EXPECT_EQ(Ratio(), std::nullopt);
  const BlockPruning first = Prune(*engine, 0);
  ASSERT_TRUE(Ratio().has_value());
  std::printf("share of the floor: %.3f\n", *Ratio());
  // Small matrices are far from what the processor can do.
  EXPECT_GT(*Ratio(), 0.001);
  EXPECT_LT(*Ratio(), 1.0);
  const double floor = *Ratio() * DeviceSeconds(first.stages, pruner::Schedule::kIndependent);

  const BlockPruning second = Prune(*engine, 1);
  // Blocks of one shape have one floor, as the rate is measured once; what changes is the time they took.
  EXPECT_NEAR(*Ratio() * DeviceSeconds(second.stages, pruner::Schedule::kIndependent), floor, 1e-9 * floor);
}

TEST_F(MeteredEngineTest, ChangesNoBitOfWhatItMeasures) {
  const auto plain = NewEngine();
  const auto metered = MeterEngine(NewEngine(), registry_);
  const BlockPruning expected = Prune(*plain, 1);
  const BlockPruning pruning = Prune(*metered, 1);
  ASSERT_EQ(pruning.tensors.size(), expected.tensors.size());
  for (size_t i = 0; i < expected.tensors.size(); ++i) {
    EXPECT_EQ(pruning.tensors[i].bytes, expected.tensors[i].bytes) << expected.tensors[i].name;
  }
  EXPECT_EQ(pruning.loss, expected.loss);
  EXPECT_EQ(metered->Cursor(), plain->Cursor());
}

TEST_F(MeteredEngineTest, SaysNothingOfWhatTheRateIsNotThatOf) {
  const auto engine = MeterEngine(NewEngine(), registry_);
  Prune(*engine, 0, pruner::Method::kWanda);
  EXPECT_EQ(Ratio(), std::nullopt);
  Prune(*engine, 1, pruner::Method::kBesa, pruner::ComputeType::kBFloat16);
  EXPECT_EQ(Ratio(), std::nullopt);
}

}  // namespace
}  // namespace besa::worker
