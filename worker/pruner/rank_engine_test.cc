// Engines that prune blocks of books-llama-3m together, each in a thread of this process, against one that does it
// alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "storage/object/open_store.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {
namespace {

using testing::HasSubstr;

class RankEngineTest : public testing::Test {
 protected:
  RankEngineTest()
      : store_(storage::OpenStore({.allowed_prefixes = {BESA_TEST_DATA}}).value()),
        checkpoint_(storage::Checkpoint::Open(
                        *store_, storage::Uri::Parse(std::string(BESA_TEST_DATA) + "/books-llama-3m").value())
                        .value()) {}

  // Tokens that follow no text, but always the same.
  static TokenWindows Windows(int64_t windows) {
    TokenWindows made = {.windows = windows, .length = 32};
    for (int64_t i = 0; i < windows * made.length; ++i) made.ids.push_back(static_cast<int32_t>(i * i * 31 % 997));
    return made;
  }

  PruneRequest Request(int64_t block, const TokenWindows& windows, const BesaOptions& options) const {
    return {.config = &checkpoint_.config(),
            .dense = &checkpoint_,
            .block_tensors = checkpoint_.BlockTensors(block),
            .stream_key = "books",
            .calibration = &windows,
            .block = block,
            .options = options};
  }

  // `body` on one engine alone (size 1), or in a thread for each engine of a group.
  static void OnEngines(int size, const std::function<void(int rank, Engine& engine)>& body,
                        const std::function<void(int rank, EngineOptions& options)>& edit = nullptr) {
    static int groups = 0;
    const std::string store =
        testing::TempDir() + "/engines-" + std::to_string(getpid()) + "-" + std::to_string(groups++);
    std::vector<std::thread> threads;
    for (int rank = 0; rank < size; ++rank) {
      threads.emplace_back([&, rank] {
        EngineOptions options = {.device = "cpu", .threads = 1};
        if (size > 1) options.ranks = RankOptions{.rank = rank, .size = size, .store = store};
        if (edit) edit(rank, options);
        const auto engine = Engine::Create(options);
        ASSERT_TRUE(engine.ok()) << engine.status();
        body(rank, **engine);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  // Two blocks, one after the other; what every rank makes of the second.
  std::vector<BlockPruning> Prune(int size, int64_t samples, const BesaOptions& options) const {
    const TokenWindows windows = Windows(samples);
    std::vector<BlockPruning> results(static_cast<size_t>(size));
    OnEngines(size, [&](int rank, Engine& engine) {
      for (const int64_t block : {1, 2}) {
        auto pruned = engine.Prune(Request(block, windows, options), nullptr);
        ASSERT_TRUE(pruned.ok()) << pruned.status();
        results[static_cast<size_t>(rank)] = *std::move(pruned);
      }
    });
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

  // Sweeps of two engines from these blocks on; what becomes of all blocks, in the order of the sweeps.
  std::vector<BlockPruning> Sweeps(const TokenWindows& windows, const BesaOptions& options,
                                   const std::vector<int64_t>& firsts) const {
    std::vector<BlockPruning> swept(2 * firsts.size());
    OnEngines(2, [&](int rank, Engine& engine) {
      for (size_t i = 0; i < firsts.size(); ++i) {
        PruneRequest request = Request(firsts[i] + rank, windows, options);
        // What it prunes in the next sweep.
        const int64_t next = request.block + 2;
        const std::shared_ptr<const storage::TensorSource> source(std::shared_ptr<void>(), &checkpoint_);
        if (next < 6) request.next = {{next, checkpoint_.BlockTensors(next), source}};
        auto pruned = engine.PruneOwnBlock(request, nullptr);
        ASSERT_TRUE(pruned.ok()) << pruned.status();
        EXPECT_EQ(engine.Cursor().second, firsts[i] + 2);
        swept[2 * i + static_cast<size_t>(rank)] = *std::move(pruned);
      }
    });
    return swept;
  }

  static void ExpectNearly(const BlockPruning& swept, const BlockPruning& alone) {
    EXPECT_EQ(swept.loss.size(), alone.loss.size());
    EXPECT_EQ(swept.recovery_loss.size(), alone.recovery_loss.size());
    EXPECT_NEAR(swept.final_loss, alone.final_loss, 0.02 * alone.final_loss);
    EXPECT_EQ(swept.input_sha256, alone.input_sha256);
  }

  // Share of the rows that lose another number of weights.
  static double RowsThatDiffer(const BlockPruning& a, const BlockPruning& b) {
    double rows = 0;
    double differing = 0;
    for (size_t i = 0; i < a.linears.size(); ++i) {
      for (size_t row = 0; row < a.linears[i].pruned.size(); ++row) {
        ++rows;
        differing += a.linears[i].pruned[row] != b.linears[i].pruned[row];
      }
    }
    return differing / rows;
  }

  const std::unique_ptr<storage::ObjectStore> store_;
  const storage::Checkpoint checkpoint_;
};

struct Kind {
  const char* name;
  BesaOptions options;
};

class RankMethods : public RankEngineTest, public testing::WithParamInterface<Kind> {};

TEST_P(RankMethods, ComeToTheSameOnAllRanksAndNearlyTheSameAsAlone) {
  const BlockPruning alone = Prune(1, 16, GetParam().options).front();
  for (const int size : {2, 4}) {
    const std::vector<BlockPruning> together = Prune(size, 16, GetParam().options);
    for (const BlockPruning& other : together) ExpectSame(other, together.front());
    const BlockPruning& first = together.front();
    double worst = std::abs(first.final_loss / alone.final_loss - 1.0);
    ASSERT_EQ(first.loss.size(), alone.loss.size());
    for (size_t i = 0; i < alone.loss.size(); ++i) {
      worst = std::max(worst, std::abs(double{first.loss[i]} / alone.loss[i] - 1.0));
    }
    ASSERT_EQ(first.recovery_loss.size(), alone.recovery_loss.size());
    for (size_t i = 0; i < alone.recovery_loss.size(); ++i) {
      worst = std::max(worst, std::abs(double{first.recovery_loss[i]} / alone.recovery_loss[i] - 1.0));
    }
    std::printf("%s, %d ranks: losses within %.2g%% of one rank's, %.2g%% of the rows differ\n", GetParam().name, size,
                100 * worst, 100 * RowsThatDiffer(first, alone));
    EXPECT_LT(worst, 0.02);
    EXPECT_EQ(first.input_sha256, alone.input_sha256);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, RankMethods,
    testing::Values(Kind{"besa", {.batch_size = 4, .epochs = 8}}, Kind{"paper", {.preset = Preset::kPaper}},
                    Kind{"magnitude", {.method = Method::kMagnitude}}, Kind{"wanda", {.method = Method::kWanda}},
                    Kind{"sparsegpt", {.method = Method::kSparseGpt}},
                    Kind{"recovery", {.method = Method::kWanda, .recovery = {.epochs = 2, .batch_size = 4}}}),
    [](const auto& kind) { return std::string(kind.param.name); });

TEST_F(RankEngineTest, MoreRanksThanSamplesAreOfNoUseButNoHarm) {
  const std::vector<BlockPruning> together = Prune(4, 3, {});
  for (const BlockPruning& other : together) ExpectSame(other, together.front());
  EXPECT_EQ(together.front().loss.size(), 64u);
}

TEST_F(RankEngineTest, TheNumberOfRanksIsPartOfTheNumericsClass) {
  OnEngines(2, [](int, Engine& engine) { EXPECT_THAT(engine.NumericsClass({}), HasSubstr("ranks 2")); });
  OnEngines(1, [](int, Engine& engine) { EXPECT_THAT(engine.NumericsClass({}), testing::Not(HasSubstr("ranks"))); });
}

// Stored by sweeps of some windows each, taken by ranks that hold every other one.
TEST_F(RankEngineTest, TakesItsShareOfStoredActivations) {
  const TokenWindows windows = Windows(11);
  storage::HostTensor stored;
  OnEngines(1, [&](int, Engine& engine) {
    const auto take = [&](int64_t, storage::HostTensor activations) {
      stored = std::move(activations);
      return absl::OkStatus();
    };
    const SweepRequest sweep = {
        .config = &checkpoint_.config(), .dense = &checkpoint_, .windows = &windows, .boundaries = {2}, .store = take};
    ASSERT_TRUE(engine.Sweep(sweep, nullptr).ok());
  });
  // In two parts: windows 0 to 6, and the rest.
  const size_t window_bytes = stored.bytes.size() / 11;
  const auto part = [&](int64_t first, int64_t count) {
    storage::HostTensor tensor = stored;
    tensor.shape[0] = count;
    const auto begin = stored.bytes.begin() + static_cast<ptrdiff_t>(window_bytes) * first;
    tensor.bytes = {begin, begin + static_cast<ptrdiff_t>(window_bytes) * count};
    return StoredActivations::Part{first, count, [tensor] { return tensor; }};
  };
  std::vector<BlockPruning> walked(3);
  std::vector<BlockPruning> taken(3);
  for (std::vector<BlockPruning>* results : {&walked, &taken}) {
    OnEngines(3, [&](int rank, Engine& engine) {
      PruneRequest request = Request(2, windows, {.batch_size = 4, .epochs = 2});
      if (results == &taken) request.stored = {.block = 2, .parts = {part(0, 7), part(7, 4)}};
      auto pruned = engine.Prune(request, nullptr);
      ASSERT_TRUE(pruned.ok()) << pruned.status();
      (*results)[static_cast<size_t>(rank)] = *std::move(pruned);
    });
  }
  EXPECT_EQ(taken.front().stages.front().stage, "fetch");
  // The batches of the walk are other ones, so the last bits are.
  EXPECT_LT(RowsThatDiffer(walked.front(), taken.front()), 0.02);
  EXPECT_NEAR(taken.front().final_loss, walked.front().final_loss, 0.01 * walked.front().final_loss);
  for (const BlockPruning& other : taken) ExpectSame(other, taken.front());
}

TEST_F(RankEngineTest, RanksThatReadOtherWeightsAreFoundOut) {
  // A linear whose weights are rounded otherwise.
  class Edited final : public storage::TensorSource {
   public:
    explicit Edited(const storage::TensorSource& base) : base_(base) {}
    absl::StatusOr<storage::TensorLocation> Find(absl::string_view name) const override { return base_.Find(name); }
    absl::StatusOr<storage::HostTensor> Read(absl::string_view name) const override {
      auto tensor = base_.Read(name);
      if (!tensor.ok() || name != "model.layers.0.mlp.down_proj.weight") return tensor;
      // The last digits of the bfloat16 numbers.
      for (size_t i = 0; i < tensor->bytes.size(); i += 2) tensor->bytes[i] ^= std::byte{1};
      return tensor;
    }

   private:
    const storage::TensorSource& base_;
  };
  const Edited edited(checkpoint_);
  const TokenWindows windows = Windows(4);
  OnEngines(2, [&](int rank, Engine& engine) {
    PruneRequest request = Request(0, windows, {.method = Method::kWanda});
    if (rank == 1) request.dense = &edited;
    const absl::Status status = engine.Prune(request, nullptr).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_EQ(status.message(), "block 0: the masks of rank 1 are not those of rank 0");
  });
}

TEST_P(RankMethods, InASweepEachEnginePrunesABlockOfItsOwnNearlyAsAlone) {
  const TokenWindows windows = Windows(13);
  const std::vector<BlockPruning> swept = Sweeps(windows, GetParam().options, {1});
  OnEngines(1, [&](int, Engine& engine) {
    for (size_t i = 0; i < swept.size(); ++i) {
      const int64_t block = 1 + static_cast<int64_t>(i);
      const BlockPruning alone = engine.Prune(Request(block, windows, GetParam().options), nullptr).value();
      ExpectNearly(swept[i], alone);
      std::printf("%s, block %d: the final loss is %.2g%% off, %.2g%% of the rows differ\n", GetParam().name,
                  static_cast<int>(block), 100 * std::abs(swept[i].final_loss / alone.final_loss - 1.0),
                  100 * RowsThatDiffer(swept[i], alone));
    }
  });
}

TEST_F(RankEngineTest, ASweepGoesOnWhereTheLastOneEnded) {
  const TokenWindows windows = Windows(13);
  const BesaOptions wanda = {.method = Method::kWanda};
  const std::vector<BlockPruning> swept = Sweeps(windows, wanda, {1, 3});
  OnEngines(1, [&](int, Engine& engine) {
    for (size_t i = 0; i < swept.size(); ++i) {
      ExpectNearly(swept[i], engine.Prune(Request(1 + static_cast<int64_t>(i), windows, wanda), nullptr).value());
    }
  });
}

// The two ways may follow each other: what is kept from one is of use to the other, and nothing of it shows.
TEST_F(RankEngineTest, ASweepGivesTheSameBytesWhateverCameBefore) {
  const TokenWindows windows = Windows(7);
  const BesaOptions options = {.batch_size = 2, .epochs = 4};
  std::vector<BlockPruning> fresh(2);
  OnEngines(2, [&](int rank, Engine& engine) {
    fresh[static_cast<size_t>(rank)] = engine.PruneOwnBlock(Request(2 + rank, windows, options), nullptr).value();
  });
  std::vector<BlockPruning> together(2);
  OnEngines(2, [&](int rank, Engine& engine) {
    ASSERT_TRUE(engine.Prune(Request(1, windows, options), nullptr).ok());
    const BlockPruning own = engine.PruneOwnBlock(Request(2 + rank, windows, options), nullptr).value();
    ExpectSame(own, fresh[static_cast<size_t>(rank)]);
    together[static_cast<size_t>(rank)] = engine.Prune(Request(4, windows, options), nullptr).value();
  });
  ExpectSame(together[0], together[1]);
}

TEST_F(RankEngineTest, AllRanksChooseTheSameWay) {
  const TokenWindows windows = Windows(64);
  std::vector<GroupChoice> choices(2);
  OnEngines(2, [&](int rank, Engine& engine) {
    choices[static_cast<size_t>(rank)] = engine.ChooseForGroup(Request(2 + rank, windows, {})).value();
  });
  EXPECT_EQ(choices[0].own_blocks, choices[1].own_blocks);
  EXPECT_EQ(choices[0].why, choices[1].why);
  EXPECT_THAT(choices[0].why, HasSubstr("2 blocks would take"));
}

TEST_F(RankEngineTest, OneBlockForEachIsNotChosenWhereItDoesNotFitOneOfThem) {
  const TokenWindows windows = Windows(64);
  OnEngines(
      2,
      [&](int rank, Engine& engine) {
        const GroupChoice choice = engine.ChooseForGroup(Request(2 + rank, windows, {})).value();
        EXPECT_FALSE(choice.own_blocks);
        EXPECT_THAT(choice.why, HasSubstr("one for each does not fit 1 of the ranks"));
      },
      [](int rank, EngineOptions& options) {
        if (rank == 1) options.memory_limit = int64_t{1} << 20;
      });
}

TEST_F(RankEngineTest, ASweepOfBlocksThatAreNotThereIsRefused) {
  const TokenWindows windows = Windows(4);
  OnEngines(2, [&](int rank, Engine& engine) {
    // Of six blocks.
    PruneRequest request = Request(5, windows, {});
    request.block += rank;
    EXPECT_EQ(engine.ChooseForGroup(request).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(engine.PruneOwnBlock(request, nullptr).status().code(), absl::StatusCode::kInvalidArgument);
  });
}

TEST_F(RankEngineTest, TellsWhatAddingUpTakes) {
  OnEngines(2, [](int, Engine& engine) { EXPECT_GT(engine.AllReduceSeconds(1000).value(), 0.0); });
  OnEngines(1, [](int, Engine& engine) { EXPECT_EQ(engine.AllReduceSeconds(1000).value(), 0.0); });
}

}  // namespace
}  // namespace besa::pruner
