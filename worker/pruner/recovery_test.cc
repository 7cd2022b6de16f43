// Recovery against Adam written plainly on autograd's gradients, and what it promises of removed weights.
#include "worker/pruner/recovery.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numbers>
#include <vector>

#include "worker/pruner/autograd_twin.h"
#include "worker/pruner/golden.h"
#include "worker/pruner/importance.h"
#include "worker/pruner/mask.h"
#include "worker/pruner/reconstruction_loss.h"
#include "worker/pruner/training_run.h"

namespace besa::pruner {
namespace {

constexpr int64_t kSteps = 12;
constexpr double kRate = 0.01;

using Linears = std::array<at::Tensor, kLinears>;

// Block 2 of the small model, Wanda's masks for half of each row, and what is in the golden vectors.
class RecoveryTest : public testing::Test {
 protected:
  explicit RecoveryTest(const at::TensorOptions& options = at::kDouble)
      : dense_(SmallBlock(ReadTensors("books-llama-3m/model.safetensors"), 2, options)),
        block_(SmallShape(), 64, options),
        weights_(dense_.WithOwnLinears()) {
    const Tensors golden = ReadTensors("golden/besa-block.safetensors");
    x_ = golden.at("x").to(options);
    reference_ = golden.at("reference").to(options).clone();
    InputStatistics statistics(SmallShape(), options);
    BlockState state;
    block_.Forward(x_, dense_, &state);
    statistics.Add(state);
    const Linears orders = RankLinears(dense_, statistics, x_.size(0));
    for (Linear linear : kAllLinears) {
      pruning_[linear].order = orders[linear];
      // Another number for each row.
      for (int64_t row = 0; row < SmallShape().Rows(linear); ++row) {
        pruning_[linear].pruned.push_back(static_cast<int32_t>(SmallShape().Cols(linear) / 2 + row % 5));
      }
    }
  }

  // True where a weight stays, from the definition.
  at::Tensor Kept(Linear linear) const {
    const at::Tensor rank = at::argsort(pruning_[linear].order.cpu().to(at::kLong), true, 1, false);
    const at::Tensor kept = at::zeros_like(rank, at::kBool);
    for (int64_t row = 0; row < rank.size(0); ++row) {
      kept.select(0, row).copy_(rank.select(0, row).ge(pruning_[linear].pruned[static_cast<size_t>(row)]));
    }
    return kept;
  }

  at::Tensor Batch(const at::Tensor& samples, int64_t step) const { return samples.narrow(0, step % 4 * 2, 2); }

  RecoveryOptions Options(double rate = kRate, RecoveryMasks masks = RecoveryMasks::kFixed) const {
    return {.epochs = 3, .learning_rate = rate, .batch_size = 2, .masks = masks};
  }

  // As methods that do not update weights themselves leave it.
  void KnowWhatTheOrderFollowsFrom() {
    InputStatistics statistics(SmallShape(), dense_.groups[kQkv].options());
    BlockState state;
    block_.Forward(x_, dense_, &state);
    statistics.Add(state);
    for (Linear linear : kAllLinears) pruning_[linear].squares = statistics.sums(GroupOf(linear));
  }

  BlockWeights dense_;
  LlamaBlock block_;
  BlockWeights weights_;
  at::Tensor x_;
  at::Tensor reference_;
  std::array<LinearPruning, kLinears> pruning_;
};

TEST_F(RecoveryTest, IsAdamOnAutogradsGradientsOfWhatIsKept) {
  constexpr double kDecay = 3.0;
  RecoveryOptions options = Options();
  options.decay = kDecay;
  RecoveryTrainer trainer(block_, dense_, weights_, options, kSteps);
  trainer.Begin(pruning_);

  Linears kept, w, m, v;
  for (Linear linear : kAllLinears) {
    kept[linear] = Kept(linear).to(at::kDouble);
    w[linear] = dense_.linear(linear) * kept[linear];
    m[linear] = at::zeros_like(w[linear]);
    v[linear] = at::zeros_like(w[linear]);
  }
  for (int64_t step = 0; step < kSteps; ++step) {
    const at::Tensor x = Batch(x_, step);
    const at::Tensor reference = Batch(reference_, step);
    const at::Tensor record = trainer.Step({x, reference});

    Linears leaves;
    for (Linear linear : kAllLinears) leaves[linear] = w[linear].detach().clone().requires_grad_(true);
    const at::Tensor loss = TwinLoss(TwinBlock(x, dense_, leaves), reference);
    loss.backward();
    EXPECT_NEAR(record[StepRecord::kLoss].item<double>(), loss.item<double>(), 1e-9 * loss.item<double>());
    const double rate = kRate * 0.5 * (1.0 + std::cos(std::numbers::pi * static_cast<double>(step) / kSteps));
    double worst = 0.0;
    for (Linear linear : kAllLinears) {
      const at::Tensor g = leaves[linear].grad() * kept[linear];
      m[linear] = 0.9 * m[linear] + 0.1 * g;
      v[linear] = 0.999 * v[linear] + 0.001 * g * g;
      const at::Tensor corrected_m = m[linear] / (1.0 - std::pow(0.9, step + 1));
      const at::Tensor corrected_v = v[linear] / (1.0 - std::pow(0.999, step + 1));
      w[linear] = w[linear] - rate * corrected_m / (corrected_v.sqrt() + 1e-8) -
                  rate * kDecay * (w[linear] - dense_.linear(linear)) * kept[linear];
      worst = std::max(worst, MaxDifference(trainer.master(linear), w[linear]));
      EXPECT_EQ(MaxDifference(trainer.master(linear), weights_.linear(linear)), 0.0);
    }
    if (step == kSteps - 1) std::printf("after %d steps: weights within %.1e\n", static_cast<int>(kSteps), worst);
    ASSERT_LT(worst, 1e-11) << "step " << step;
  }
}

TEST_F(RecoveryTest, RemovedWeightsStayZeroAndTheLossFalls) {
  RecoveryTrainer trainer(block_, dense_, weights_, Options(), kSteps);
  trainer.Begin(pruning_);
  std::vector<double> loss;
  for (int64_t step = 0; step < kSteps; ++step) {
    const at::Tensor record = trainer.Step({Batch(x_, step), Batch(reference_, step)});
    loss.push_back(record[StepRecord::kLoss].item<double>());
    EXPECT_NEAR(record[StepRecord::kSparsity].item<double>(), 0.5, 0.02);
  }
  EXPECT_LT(loss.back(), 0.9 * loss[3]) << "on the same samples";
  for (Linear linear : kAllLinears) {
    EXPECT_EQ(MaxDifference(weights_.linear(linear).ne(0), Kept(linear)), 0.0) << LinearName(linear);
    EXPECT_FALSE(weights_.linear(linear).signbit().logical_and(Kept(linear).logical_not()).any().item<bool>());
  }
}

TEST_F(RecoveryTest, MasksGrowByWhatMattersLeastByThen) {
  KnowWhatTheOrderFollowsFrom();
  RecoveryTrainer trainer(block_, dense_, weights_, Options(kRate, RecoveryMasks::kGrowing), kSteps);
  trainer.Begin(pruning_);
  const MaskGrowth growth(RecoveryMasks::kGrowing, kSteps);
  Linears kept;
  for (int64_t step = 0; step < kSteps; ++step) {
    const auto share = growth.ShareAt(step);
    Linears expected;
    for (Linear linear : kAllLinears) {
      // From the definition: in each row the smallest |W| * |x| go, as many as are to be gone by now.
      expected[linear] = trainer.master(linear).ne(0);
      if (!share) continue;
      const at::Tensor importance = Importance(trainer.master(linear), pruning_[linear].squares, x_.size(0));
      const at::Tensor rank = at::argsort(at::argsort(importance, true, 1, false), true, 1, false);
      for (int64_t row = 0; row < rank.size(0); ++row) {
        const double count = std::ceil(*share * pruning_[linear].pruned[static_cast<size_t>(row)]);
        expected[linear].select(0, row).copy_(rank.select(0, row).ge(count));
      }
    }
    const at::Tensor record = trainer.Step({Batch(x_, step), Batch(reference_, step)});
    for (Linear linear : kAllLinears) {
      EXPECT_EQ(MaxDifference(trainer.master(linear).ne(0), expected[linear]), 0.0)
          << LinearName(linear) << ", step " << step;
      if (kept[linear].defined()) {
        EXPECT_FALSE(expected[linear].logical_and(kept[linear].logical_not()).any().item<bool>()) << "comes back";
      }
      kept[linear] = expected[linear];
    }
    EXPECT_NEAR(record[StepRecord::kSparsity].item<double>(), 0.5 * (step < kSteps / 2 ? *growth.ShareAt(step) : 1.0),
                0.02);
  }
  // The order that is left tells what was removed.
  for (Linear linear : kAllLinears) EXPECT_EQ(MaxDifference(Kept(linear), kept[linear]), 0.0) << LinearName(linear);
}

TEST_F(RecoveryTest, MasksGrowWithinAPattern) {
  KnowWhatTheOrderFollowsFrom();
  const Pattern pattern{.kept = 2, .of = 4};
  for (Linear linear : kAllLinears) {
    const at::Tensor squares = pruning_[linear].squares;
    pruning_[linear] = FromMask(SmallestOfGroups(Importance(dense_.linear(linear), squares, 8), pattern));
    pruning_[linear].squares = squares;
    pruning_[linear].pattern = pattern;
  }
  RecoveryTrainer trainer(block_, dense_, weights_, Options(kRate, RecoveryMasks::kGrowing), kSteps);
  trainer.Begin(pruning_);
  const auto zeros_of_groups = [&](Linear linear) {
    return trainer.master(linear).eq(0).reshape({-1, pattern.of}).sum(1);
  };
  for (int64_t step = 0; step < kSteps; ++step) {
    trainer.Step({Batch(x_, step), Batch(reference_, step)});
    for (Linear linear : kAllLinears) {
      EXPECT_GE(zeros_of_groups(linear).min().item<int64_t>(), 1) << "0.6 of two of four";
      EXPECT_LE(zeros_of_groups(linear).max().item<int64_t>(), 2);
    }
  }
  for (Linear linear : kAllLinears) EXPECT_EQ(zeros_of_groups(linear).min().item<int64_t>(), 2) << LinearName(linear);
}

TEST_F(RecoveryTest, GrowingMasksEndWithLessLossThanFixedOnes) {
  KnowWhatTheOrderFollowsFrom();
  constexpr int64_t kLong = 96;
  const auto loss_with = [&](RecoveryMasks masks) {
    RecoveryTrainer trainer(block_, dense_, weights_, Options(1e-3, masks), kLong);
    trainer.Begin(pruning_);
    double loss = 0.0;
    for (int64_t step = 0; step < kLong; ++step) {
      loss = trainer.Step({Batch(x_, step), Batch(reference_, step)})[StepRecord::kLoss].item<double>();
    }
    return loss;
  };
  const double fixed = loss_with(RecoveryMasks::kFixed);
  const double growing = loss_with(RecoveryMasks::kGrowing);
  std::printf("loss of the last step: %.5f with fixed masks, %.5f with growing ones\n", fixed, growing);
  EXPECT_LT(growing, 0.95 * fixed);
}

TEST_F(RecoveryTest, AMethodThatBringsItsOwnWeightsKeepsItsMasks) {
  RecoveryTrainer trainer(block_, dense_, weights_, Options(kRate, RecoveryMasks::kGrowing), kSteps);
  trainer.Begin(pruning_);
  trainer.Step({Batch(x_, 0), Batch(reference_, 0)});
  for (Linear linear : kAllLinears) EXPECT_EQ(MaxDifference(weights_.linear(linear).ne(0), Kept(linear)), 0.0);
}

TEST_F(RecoveryTest, GoesOnFromWhatTheMethodMadeOfTheWeights) {
  for (Linear linear : kAllLinears) pruning_[linear].weight = dense_.linear(linear) * 1.5;
  RecoveryTrainer trainer(block_, dense_, weights_, Options(), kSteps);
  trainer.Begin(pruning_);
  for (Linear linear : kAllLinears) {
    EXPECT_EQ(MaxDifference(weights_.linear(linear), dense_.linear(linear) * 1.5 * Kept(linear)), 0.0);
  }
}

TEST_F(RecoveryTest, LookingAheadMendsWhatTheNextBlockSees) {
  const BlockWeights next = SmallBlock(ReadTensors("books-llama-3m/model.safetensors"), 3, at::kDouble);
  const at::Tensor next_reference = block_.Forward(reference_, next, nullptr);
  constexpr int64_t kLong = 96;
  // Of the block's output and the next one's, over all samples, after recovery.
  const auto losses = [&](const BlockWeights* ahead) {
    RecoveryTrainer trainer(block_, dense_, weights_, Options(1e-3), kLong, ahead);
    trainer.Begin(pruning_);
    for (int64_t step = 0; step < kLong; ++step) {
      TrainingBatch batch = {Batch(x_, step), Batch(reference_, step)};
      if (ahead != nullptr) batch[2] = Batch(next_reference, step);
      trainer.Step(batch);
    }
    const at::Tensor y = block_.Forward(x_, weights_, nullptr);
    return std::pair(TwinLoss(y, reference_).item<double>(),
                     TwinLoss(block_.Forward(y, next, nullptr), next_reference).item<double>());
  };
  const auto [own, behind] = losses(nullptr);
  const auto [own_ahead, behind_ahead] = losses(&next);
  std::printf("loss %.5f, behind the next block %.5f; looking ahead %.5f, %.5f\n", own, behind, own_ahead,
              behind_ahead);
  EXPECT_LT(behind_ahead, behind);
  EXPECT_LT(own_ahead, 2.0 * own) << "which it pays with some of its own";
}

TEST_F(RecoveryTest, BegunAnewItForgetsEverything) {
  RecoveryTrainer trainer(block_, dense_, weights_, Options(), kSteps);
  const auto run = [&] {
    trainer.Begin(pruning_);
    for (int64_t step = 0; step < kSteps; ++step) trainer.Step({Batch(x_, step), Batch(reference_, step)});
    return trainer.master(kUp).clone();
  };
  const at::Tensor first = run();
  EXPECT_EQ(MaxDifference(run(), first), 0.0);
}

TEST_F(RecoveryTest, AStepWithoutAGradientChangesNoWeightAndIsCounted) {
  RecoveryTrainer trainer(block_, dense_, weights_, Options(), kSteps);
  trainer.Begin(pruning_);
  reference_.select(0, 5).select(0, 3).select(0, 2).fill_(std::numeric_limits<double>::quiet_NaN());
  const Observer nobody;
  StageReporter reporter(nobody, Clock::Real());
  const auto step = [&](const TrainingBatch& batch) { return trainer.Step(batch); };
  const TrainingData data = {.x = {x_}, .reference = reference_};
  const TrainingLog log =
      RunTraining(step, data, {.samples = x_.size(0)}, {.epochs = 3, .batch_size = 2}, 2, reporter).value();
  EXPECT_EQ(log.loss.size(), static_cast<size_t>(kSteps));
  EXPECT_EQ(log.skipped_steps, 3);
  for (Linear linear : kAllLinears) EXPECT_TRUE(trainer.master(linear).isfinite().all().item<bool>());
}

class RecoveryInBFloat16 : public RecoveryTest {
 protected:
  RecoveryInBFloat16() : RecoveryTest(at::kBFloat16) {}
};

TEST_F(RecoveryInBFloat16, AddsUpInFloat32) {
  RecoveryTrainer trainer(block_, dense_, weights_, Options(1e-5), kSteps);
  trainer.Begin(pruning_);
  EXPECT_EQ(trainer.master(kQ).scalar_type(), at::kFloat);
  for (int64_t step = 0; step < kSteps; ++step) trainer.Step({Batch(x_, step), Batch(reference_, step)});
  int64_t moved = 0;
  for (Linear linear : kAllLinears) {
    EXPECT_EQ(MaxDifference(trainer.master(linear).to(at::kBFloat16), weights_.linear(linear)), 0.0);
    moved += trainer.master(linear).ne(weights_.linear(linear)).sum().item<int64_t>();
  }
  EXPECT_GT(moved, SmallShape().TotalWeights() / 4) << "steps too small for bfloat16 are not lost";
}

// The recorded step on a GPU against the same on the CPU, and twice for the same bits.
TEST(RecoveryOnCuda, RecoversAsOnTheCpu) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  const Tensors model = ReadTensors("books-llama-3m/model.safetensors");
  const Tensors golden = ReadTensors("golden/besa-block.safetensors");
  const auto run = [&](const at::TensorOptions& options) {
    const BlockWeights dense = SmallBlock(model, 2, options);
    const LlamaBlock block(SmallShape(), 64, options);
    const BlockWeights weights = dense.WithOwnLinears();
    const at::Tensor x = golden.at("x").to(options);
    const at::Tensor reference = golden.at("reference").to(options);
    std::array<LinearPruning, kLinears> pruning;
    for (Linear linear : kAllLinears) {
      const at::Tensor scores = dense.linear(linear).abs();
      pruning[linear] = FromMask(SmallestOfGroups(scores, {.kept = 2, .of = 4}));
    }
    RecoveryTrainer trainer(block, dense, weights, {.epochs = 3, .learning_rate = 1e-3, .batch_size = 2, .decay = 3.0},
                            kSteps);
    trainer.Begin(pruning);
    std::vector<at::Tensor> results;
    for (int64_t step = 0; step < kSteps; ++step) {
      const at::Tensor record =
          trainer.Step({x.narrow(0, step % 4 * 2, 2), reference.narrow(0, step % 4 * 2, 2)}).cpu().clone();
      results.push_back(record.narrow(0, StepRecord::kLoss, 1));
    }
    for (Linear linear : kAllLinears) results.push_back(weights.linear(linear).clone());
    return results;
  };
  const std::vector<at::Tensor> expected = run(at::kDouble);
  for (const auto& [type, tolerance] : {std::pair(at::kFloat, 1e-3), std::pair(at::kBFloat16, 0.05)}) {
    const std::vector<at::Tensor> first = run(at::TensorOptions(at::kCUDA).dtype(type));
    const std::vector<at::Tensor> second = run(at::TensorOptions(at::kCUDA).dtype(type));
    for (size_t i = 0; i < first.size(); ++i) {
      EXPECT_EQ(MaxDifference(first[i], second[i]), 0.0) << i;
      if (i < kSteps) {
        EXPECT_LT(MaxRelativeDifference(first[i], expected[i]), tolerance) << "loss of step " << i;
      } else {
        EXPECT_EQ(MaxDifference(first[i].eq(0), expected[i].eq(0)), 0.0) << "zeros";
      }
    }
  }
}

}  // namespace
}  // namespace besa::pruner
