// The Engine on a GPU: against itself, against the CPU, and against its memory plan.
#include <ATen/Context.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "storage/object/open_store.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {
namespace {

class EngineOnCuda : public testing::TestWithParam<ComputeType> {
 protected:
  EngineOnCuda()
      : store_(storage::OpenStore({.allowed_prefixes = {BESA_TEST_DATA}}).value()),
        checkpoint_(storage::Checkpoint::Open(
                        *store_, storage::Uri::Parse(std::string(BESA_TEST_DATA) + "/books-llama-3m").value())
                        .value()) {
    for (int64_t i = 0; i < text_.windows * text_.length; ++i) {
      text_.ids.push_back(static_cast<int32_t>(i * i % 4093));
    }
  }

  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  }

  absl::StatusOr<BlockPruning> Prune(Engine& engine, int64_t block, const BesaOptions& options = {},
                                     std::vector<NextBlock> next = {}) const {
    return engine.Prune({.config = &checkpoint_.config(),
                         .dense = &checkpoint_,
                         .block_tensors = checkpoint_.BlockTensors(block),
                         .stream_key = "text",
                         .calibration = &text_,
                         .block = block,
                         .next = std::move(next),
                         .options = options,
                         .compute = GetParam()},
                        nullptr);
  }

  std::unique_ptr<storage::ObjectStore> store_;
  storage::Checkpoint checkpoint_;
  TokenWindows text_{.windows = 64, .length = 128};
};

TEST_P(EngineOnCuda, GivesTheSameBitsWithOrWithoutACursor) {
  const auto fresh = Engine::Create({.device = "cuda:0"}).value();
  const BlockPruning expected = Prune(*fresh, 3).value();
  const auto walking = Engine::Create({.device = "cuda:0"}).value();
  ASSERT_TRUE(Prune(*walking, 1).ok());
  const BlockPruning again = Prune(*walking, 3).value();
  for (size_t i = 0; i < expected.tensors.size(); ++i) {
    EXPECT_EQ(again.tensors[i].bytes, expected.tensors[i].bytes) << expected.tensors[i].name;
  }
  EXPECT_EQ(again.loss, expected.loss);
  EXPECT_EQ(again.final_loss, expected.final_loss);
}

TEST_P(EngineOnCuda, ActivationsInHostMemoryGiveTheSameBits) {
  const auto device = Engine::Create({.device = "cuda:0", .activations = Placement::kDevice}).value();
  const auto host = Engine::Create({.device = "cuda:0", .activations = Placement::kHost}).value();
  const std::vector<BesaOptions> all = {
      {}, {.batch_size = 3, .epochs = 2, .recovery = {.epochs = 2, .batch_size = 3}}, {.method = Method::kSparseGpt}};
  for (const BesaOptions& options : all) {
    for (const int64_t block : {1, 2, 4}) {
      const BlockPruning expected = Prune(*device, block, options).value();
      const BlockPruning streamed = Prune(*host, block, options).value();
      for (size_t i = 0; i < expected.tensors.size(); ++i) {
        EXPECT_EQ(streamed.tensors[i].bytes, expected.tensors[i].bytes) << expected.tensors[i].name;
      }
      EXPECT_EQ(streamed.loss, expected.loss);
      EXPECT_EQ(streamed.recovery_loss, expected.recovery_loss);
      EXPECT_EQ(streamed.final_loss, expected.final_loss);
    }
  }
}

TEST_P(EngineOnCuda, TheNextBlockIsReadMeanwhile) {
  const auto engine = Engine::Create({.device = "cuda:0"}).value();
  const std::shared_ptr<const storage::TensorSource> source(&checkpoint_, [](const auto*) {});
  for (int64_t block = 0; block < 3; ++block) {
    const BlockPruning ahead =
        Prune(*engine, block, {}, {{block + 1, checkpoint_.BlockTensors(block + 1), source}}).value();
    const auto fresh = Engine::Create({.device = "cuda:0"}).value();
    const BlockPruning expected = Prune(*fresh, block).value();
    for (size_t i = 0; i < expected.tensors.size(); ++i) {
      EXPECT_EQ(ahead.tensors[i].bytes, expected.tensors[i].bytes) << expected.tensors[i].name;
    }
  }
}

TEST_P(EngineOnCuda, PrunesAndMeasuresAsTheCpuDoes) {
  const auto gpu = Engine::Create({.device = "cuda:0"}).value();
  const auto cpu = Engine::Create({.device = "cpu", .threads = 1}).value();
  const double ratio = Prune(*gpu, 2)->final_loss / Prune(*cpu, 2)->final_loss;
  const auto perplexity = [&](Engine& engine) {
    return engine.Perplexity(checkpoint_.config(), checkpoint_, text_, GetParam(), nullptr).value().perplexity;
  };
  const double perplexity_ratio = perplexity(*gpu) / perplexity(*cpu);
  std::printf("GPU to CPU: final loss %.4f, perplexity %.5f\n", ratio, perplexity_ratio);
  EXPECT_NEAR(ratio, 1.0, 0.03);
  EXPECT_NEAR(perplexity_ratio, 1.0, GetParam() == ComputeType::kFloat32 ? 1e-4 : 0.02);
}

TEST_P(EngineOnCuda, StaysWithinItsMemoryPlan) {
  const RecoveryOptions recovery = {.epochs = 1};
  const std::vector<BesaOptions> all = {{},
                                        {.method = Method::kMagnitude},
                                        {.method = Method::kWanda},
                                        {.method = Method::kSparseGpt},
                                        {.recovery = recovery},
                                        {.method = Method::kSparseGpt, .recovery = recovery}};
  for (const BesaOptions& options : all) {
    const auto engine = Engine::Create({.device = "cuda:0"}).value();
    c10::cuda::CUDACachingAllocator::resetPeakStats(0);
    ASSERT_TRUE(Prune(*engine, 1, options).ok());
    // The second block finds what the first one left.
    ASSERT_TRUE(Prune(*engine, 2, options).ok());
    const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(0);
    const int64_t peak = stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
    const int64_t planned = engine->BlockMemory(checkpoint_.config(), text_.windows, text_.length, options, GetParam());
    std::printf("planned %.1f MiB, took %.1f MiB\n", static_cast<double>(planned) / 1048576.0,
                static_cast<double>(peak) / 1048576.0);
    EXPECT_LE(peak, planned);
  }
}

TEST_P(EngineOnCuda, BaselinesRepeatAndDoAsTheCpuDoes) {
  const std::vector<BesaOptions> all = {{.method = Method::kMagnitude},
                                        {.method = Method::kWanda},
                                        {.method = Method::kSparseGpt},
                                        {.method = Method::kMagnitude, .pattern = {.kept = 2, .of = 4}},
                                        {.method = Method::kWanda, .pattern = {.kept = 2, .of = 4}},
                                        {.method = Method::kSparseGpt, .pattern = {.kept = 2, .of = 4}}};
  const auto gpu = Engine::Create({.device = "cuda:0"}).value();
  const auto cpu = Engine::Create({.device = "cpu", .threads = 1}).value();
  for (const BesaOptions& options : all) {
    const BlockPruning first = Prune(*gpu, 2, options).value();
    const BlockPruning second = Prune(*gpu, 2, options).value();
    for (size_t i = 0; i < first.tensors.size(); ++i) {
      EXPECT_EQ(second.tensors[i].bytes, first.tensors[i].bytes) << first.tensors[i].name;
    }
    EXPECT_NEAR(first.final_loss / Prune(*cpu, 2, options)->final_loss, 1.0, 0.03);
  }
}

TEST_P(EngineOnCuda, RecoveryRepeatsAndDoesAsTheCpuDoes) {
  const RecoveryOptions recovery = {.epochs = 2};
  const std::vector<BesaOptions> all = {
      {.recovery = recovery},
      {.method = Method::kWanda, .pattern = {.kept = 2, .of = 4}, .recovery = recovery},
      {.method = Method::kSparseGpt, .recovery = recovery}};
  const auto gpu = Engine::Create({.device = "cuda:0"}).value();
  const auto cpu = Engine::Create({.device = "cpu", .threads = 1}).value();
  for (const BesaOptions& options : all) {
    const BlockPruning first = Prune(*gpu, 2, options).value();
    const BlockPruning second = Prune(*gpu, 2, options).value();
    for (size_t i = 0; i < first.tensors.size(); ++i) {
      EXPECT_EQ(second.tensors[i].bytes, first.tensors[i].bytes) << first.tensors[i].name;
    }
    EXPECT_EQ(first.recovery_loss, second.recovery_loss);
    const BlockPruning expected = Prune(*cpu, 2, options).value();
    std::printf("final loss %.5f, CPU %.5f\n", first.final_loss, expected.final_loss);
    EXPECT_NEAR(first.final_loss / expected.final_loss, 1.0, 0.05);
    BesaOptions without = options;
    without.recovery = {};
    EXPECT_LT(first.final_loss, 0.8 * Prune(*gpu, 2, without)->final_loss);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, EngineOnCuda, testing::Values(ComputeType::kFloat32, ComputeType::kBFloat16));

}  // namespace
}  // namespace besa::pruner
