// Training on several ranks against training on one, with the same global batch: threads of this process, each with a
// process group of its own over Gloo.
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "worker/pruner/block_trainer.h"
#include "worker/pruner/exact_sparsity.h"
#include "worker/pruner/golden.h"
#include "worker/pruner/importance.h"
#include "worker/pruner/rank_agreement.h"
#include "worker/pruner/rank_group.h"
#include "worker/pruner/rank_testing.h"
#include "worker/pruner/recovery.h"
#include "worker/pruner/sample_share.h"
#include "worker/pruner/training_run.h"

namespace besa::pruner {
namespace {

TEST(RankGroup, AddsUpAndGathers) {
  for (const int size : {2, 3}) {
    OnRanks(size, [size](RankGroup& ranks) {
      EXPECT_EQ(ranks.size(), size);
      for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) {
        const at::Tensor x = at::full({2, 3}, ranks.rank() + 1, type);
        ranks.AllReduceSum(x);
        EXPECT_TRUE(x.eq(size * (size + 1) / 2).all().item<bool>()) << type;
      }
      const at::Tensor all = ranks.AllGather(at::full({2}, ranks.rank(), at::kLong));
      ASSERT_EQ(all.sizes(), (at::IntArrayRef{size, 2}));
      for (int rank = 0; rank < size; ++rank) EXPECT_EQ(all.select(0, rank).sum().item<int64_t>(), 2 * rank);
    });
  }
}

TEST(RankGroup, BroadcastsWhatOneRankHas) {
  OnRanks(3, [](RankGroup& ranks) {
    for (const int root : {0, 2}) {
      const at::Tensor x = at::full({2, 3}, ranks.rank(), at::kBFloat16);
      ranks.Broadcast(x, root);
      EXPECT_TRUE(x.eq(root).all().item<bool>());
    }
  });
}

// Rank 0 has two rows, rank 1 one and rank 2 none; ranks 0 and 1 get all of them, in the order of a deal.
TEST(RankGroup, BringsEveryRanksRowsToSome) {
  OnRanks(3, [](RankGroup& ranks) {
    for (int time = 0; time < 3; ++time) {
      const at::Tensor own = at::full({2 - ranks.rank(), 4}, 10 * time + ranks.rank(), at::kFloat);
      const at::Tensor all = at::full({3, 4}, -1, at::kFloat);
      std::vector<at::Tensor> of_ranks;
      if (ranks.rank() < 2) of_ranks = {all.slice(0, 0, 3, 2), all.slice(0, 1, 2), all.narrow(0, 0, 0)};
      ranks.Gather(own, {0, 1}, of_ranks);
      const std::vector<float> expected = {10.0f * time, 10.0f * time + 1, 10.0f * time};
      for (int64_t row = 0; row < 3; ++row) {
        const float value = ranks.rank() < 2 ? expected[static_cast<size_t>(row)] : -1.0f;
        EXPECT_TRUE(all.select(0, row).eq(value).all().item<bool>()) << ranks.rank() << " " << row;
      }
    }
  });
}

TEST(RankGroup, OfOneDoesNothing) {
  RankGroup& alone = RankGroup::Alone();
  const at::Tensor x = at::full({3}, 2.5, at::kFloat);
  alone.AllReduceSum(x);
  EXPECT_EQ(x.sum().item<float>(), 7.5f);
  EXPECT_EQ(alone.AllGather(x).sizes(), (at::IntArrayRef{1, 3}));
  alone.Broadcast(x, 0);
  const at::Tensor y = at::full({3}, 0.0, at::kFloat);
  alone.Gather(x, {0}, {y});
  EXPECT_TRUE(y.equal(x));
}

// What a training comes to on one rank.
struct Outcome {
  TrainingLog log;
  std::vector<int32_t> pruned;
  std::vector<int32_t> exact;
  // Of recovery: the weights before they are rounded.
  std::vector<at::Tensor> masters;
};

// The samples of `all` that a rank holds.
at::Tensor Own(const SampleShare& share, const at::Tensor& all) {
  return all.slice(0, share.rank, all.size(0), share.ranks).contiguous();
}

enum class Trained { kAllocation, kRecovery, kAllLookingAhead };

// Block 2 of books-llama-3m on the eight samples of the golden vectors, from the statistics on.
Outcome Train(const at::TensorOptions& options, const Passes& passes, RankGroup& ranks,
              Trained trained = Trained::kAllocation) {
  const BlockWeights dense = SmallBlock(ReadTensors("books-llama-3m/model.safetensors"), 2, options);
  const LlamaBlock block(SmallShape(), 64, options);
  const Tensors golden = ReadTensors("golden/besa-block.safetensors");
  const SampleShare share = {.samples = golden.at("x").size(0), .rank = ranks.rank(), .ranks = ranks.size()};
  const at::Tensor x = Own(share, golden.at("x").to(options));
  const at::Tensor reference = Own(share, golden.at("reference").to(options));

  InputStatistics statistics(SmallShape(), options);
  BlockState state;
  block.Forward(x, dense, &state);
  statistics.Add(state);
  statistics.AddUp(ranks);
  const std::array<at::Tensor, kLinears> orders = RankLinears(dense, statistics, share.samples);

  const AllocationOptions allocation = {.sparsity = 0.5, .prior_sigma = 0.08};
  const BlockWeights pruned = dense.WithOwnLinears();
  const bool ahead = trained == Trained::kAllLookingAhead;
  const BlockWeights behind = SmallBlock(ReadTensors("books-llama-3m/model.safetensors"), 3, options);
  const BlockWeights* const next = ahead ? &behind : nullptr;
  BlockTrainer trainer(block, dense, orders, pruned, allocation, 5.0, next, ranks);
  const Observer nobody;
  StageReporter reporter(nobody, Clock::Real());
  const auto step = [&](const TrainingBatch& batch) { return trainer.Step(batch); };
  TrainingData data = {.x = {x}, .reference = reference};
  if (ahead) data.next_reference = block.Forward(reference, behind, nullptr);
  Outcome outcome;
  outcome.log = RunTraining(step, data, share, passes, 2, reporter).value();

  const at::Tensor counts = trainer.allocation().Forward().pruned;
  outcome.pruned.assign(counts.data_ptr<int32_t>(), counts.data_ptr<int32_t>() + counts.numel());
  std::vector<RowRate> rows;
  const std::vector<double> rates = trainer.allocation().FinalRates();
  std::array<LinearPruning, kLinears> linears;
  for (Linear linear : kAllLinears) {
    for (int64_t row = 0; row < SmallShape().Rows(linear); ++row) {
      rows.push_back({.cols = SmallShape().Cols(linear), .rate = rates[rows.size()]});
    }
  }
  outcome.exact = ExactSparsity(rows, allocation.sparsity);
  if (trained == Trained::kAllocation) return outcome;

  size_t row = 0;
  for (Linear linear : kAllLinears) {
    linears[linear].order = orders[linear];
    for (int64_t i = 0; i < SmallShape().Rows(linear); ++i) linears[linear].pruned.push_back(outcome.exact[row++]);
  }
  RecoveryTrainer recovery(block, dense, pruned, {.epochs = passes.epochs, .learning_rate = 1e-3},
                           passes.Steps(share.samples), next, ranks);
  recovery.Begin(linears);
  const auto tune = [&](const TrainingBatch& batch) { return recovery.Step(batch); };
  outcome.log = RunTraining(tune, data, share, passes, 2, reporter).value();
  for (Linear linear : kAllLinears) outcome.masters.push_back(recovery.master(linear).clone());
  return outcome;
}

// Every rank's outcome.
std::vector<Outcome> TrainOnRanks(int size, const at::TensorOptions& options, const Passes& passes,
                                  Trained trained = Trained::kAllocation) {
  std::vector<Outcome> outcomes(static_cast<size_t>(size));
  OnRanks(size, [&](RankGroup& ranks) {
    outcomes[static_cast<size_t>(ranks.rank())] = Train(options, passes, ranks, trained);
  });
  return outcomes;
}

// Of the losses of a training to another's, step by step.
double WorstRatio(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_GT(b.size(), 10u);
  EXPECT_EQ(a.size(), b.size());
  double worst = 0.0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    EXPECT_TRUE(std::isfinite(a[i]) && b[i] > 0.0f) << a[i] << " and " << b[i];
    worst = std::max(worst, std::abs(double{a[i]} / b[i] - 1.0));
  }
  return worst;
}

double Sum(const std::vector<float>& losses) {
  double sum = 0.0;
  for (const float loss : losses) sum += loss;
  return sum;
}

// Batches that every rank has an equal share of, an unequal one, and none of.
class RankTraining : public testing::TestWithParam<int64_t> {
 protected:
  // Enough steps for Prodigy to find its step size and for many counts to move: about 32.
  Passes passes() const { return {.epochs = 32 / ((8 + GetParam() - 1) / GetParam()), .batch_size = GetParam()}; }
};

TEST_P(RankTraining, InFloat64EveryCountIsThatOfOneRank) {
  const Outcome alone = TrainOnRanks(1, at::kDouble, passes()).front();
  for (const int size : {2, 4}) {
    for (const Outcome& outcome : TrainOnRanks(size, at::kDouble, passes())) {
      EXPECT_EQ(outcome.pruned, alone.pruned);
      EXPECT_EQ(outcome.exact, alone.exact);
      EXPECT_LT(WorstRatio(outcome.log.loss, alone.log.loss), 1e-6);
    }
  }
}

TEST_P(RankTraining, InFloat32TheLossIsThatOfOneRankWithinTwoPercentAndTheSameOnAllRanks) {
  const Outcome alone = TrainOnRanks(1, at::kFloat, passes()).front();
  for (const int size : {2, 4}) {
    const std::vector<Outcome> outcomes = TrainOnRanks(size, at::kFloat, passes());
    // One count that rounding flips sends all steps behind it another way, but on average to no other loss.
    const double mean = std::abs(Sum(outcomes.front().log.loss) / Sum(alone.log.loss) - 1.0);
    std::printf("batch %d, %d ranks: the mean loss within %.2g%% of one rank's, that of every step within %.2g%%\n",
                static_cast<int>(GetParam()), size, 100 * mean,
                100 * WorstRatio(outcomes.front().log.loss, alone.log.loss));
    EXPECT_LT(mean, 0.02);
    for (const Outcome& outcome : outcomes) {
      EXPECT_EQ(outcome.log.loss, outcomes.front().log.loss);
      EXPECT_EQ(outcome.log.sparsity, outcomes.front().log.sparsity);
      EXPECT_EQ(outcome.pruned, outcomes.front().pruned);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Batches, RankTraining, testing::Values(4, 3, 1),
                         [](const auto& batch) { return "Of" + std::to_string(batch.param); });

class RankRecovery : public testing::TestWithParam<Trained> {};

TEST_P(RankRecovery, InFloat64IsThatOfOneRankAndTheSameOnAllRanks) {
  const Passes passes = {.epochs = 4, .batch_size = 3};
  const Outcome alone = TrainOnRanks(1, at::kDouble, passes, GetParam()).front();
  for (const int size : {2, 4}) {
    const std::vector<Outcome> outcomes = TrainOnRanks(size, at::kDouble, passes, GetParam());
    for (const Outcome& outcome : outcomes) {
      EXPECT_LT(WorstRatio(outcome.log.loss, alone.log.loss), 1e-6);
      for (Linear linear : kAllLinears) {
        EXPECT_LT(MaxRelativeDifference(outcome.masters[linear], alone.masters[linear]), 1e-9);
        EXPECT_TRUE(outcome.masters[linear].equal(outcomes.front().masters[linear]));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Losses, RankRecovery, testing::Values(Trained::kRecovery, Trained::kAllLookingAhead),
                         [](const auto& trained) {
                           return trained.param == Trained::kRecovery ? "OfTheBlock" : "LookingAhead";
                         });

// A sample that spoils the gradient on one rank is skipped by all.
TEST(RankSteps, ABadStepOfOneRankIsSkippedByAll) {
  OnRanks(2, [](RankGroup& ranks) {
    const BlockWeights dense = SmallBlock(ReadTensors("books-llama-3m/model.safetensors"), 2, at::kFloat);
    const LlamaBlock block(SmallShape(), 64, at::kFloat);
    const at::Tensor x = ReadTensors("golden/besa-block.safetensors").at("x").narrow(0, ranks.rank(), 1);
    std::array<at::Tensor, kLinears> orders;
    InputStatistics statistics(SmallShape(), at::kFloat);
    BlockState state;
    block.Forward(x, dense, &state);
    statistics.Add(state);
    statistics.AddUp(ranks);
    orders = RankLinears(dense, statistics, 2);
    BlockTrainer trainer(block, dense, orders, dense.WithOwnLinears(), {.prior_sigma = 0.08}, 5.0, /*next=*/nullptr,
                         ranks);
    const at::Tensor bad = x.mul(ranks.rank() == 1 ? std::nan("") : 1.0);
    const at::Tensor record = trainer.Step({x, bad});
    EXPECT_EQ(record.narrow(0, StepRecord::kFinite, kLinears).sum().item<double>(), 0.0);
    EXPECT_EQ(trainer.allocation().beta().abs().sum().item<double>(), 0.0);
  });
}

TEST(CheckAgreement, FailsOnEveryRankIfOneWeightDiffers) {
  OnRanks(3, [](RankGroup& ranks) {
    const BlockWeights weights = SmallBlock(ReadTensors("books-llama-3m/model.safetensors"), 2, at::kBFloat16);
    const std::vector<LinearAllocation> linears = {{.name = "self_attn.q_proj", .pruned = {1, 2, 3}}};
    EXPECT_TRUE(CheckAgreement(2, linears, weights, ranks).ok());
    if (ranks.rank() == 2) weights.linear(kUp).select(0, 5).select(0, 7).fill_(0.0);
    EXPECT_EQ(CheckAgreement(2, linears, weights, ranks).message(),
              "block 2: the masks of rank 2 are not those of rank 0");
  });
}

TEST(CheckAgreement, FailsOnEveryRankIfOneCountDiffers) {
  OnRanks(2, [](RankGroup& ranks) {
    const BlockWeights weights = SmallBlock(ReadTensors("books-llama-3m/model.safetensors"), 2, at::kFloat);
    const std::vector<LinearAllocation> linears = {{.name = "self_attn.q_proj", .pruned = {1, 2, 3 + ranks.rank()}}};
    EXPECT_EQ(CheckAgreement(0, linears, weights, ranks).code(), absl::StatusCode::kInternal);
  });
}

}  // namespace
}  // namespace besa::pruner
