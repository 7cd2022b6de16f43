// Skipped steps and the error that many of them become.
#include "worker/pruner/training_run.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "worker/pruner/block_trainer.h"
#include "worker/pruner/golden.h"
#include "worker/pruner/importance.h"
#include "worker/pruner/tensor_kernels.h"

namespace besa::pruner {
namespace {

class TrainingRunTest : public testing::Test {
 protected:
  TrainingRunTest()
      : dense_(SmallBlock(ReadTensors("books-llama-3m/model.safetensors"), 2, at::kFloat)),
        block_(SmallShape(), 64, at::kFloat) {
    const Tensors golden = ReadTensors("golden/besa-block.safetensors");
    x_ = golden.at("x");
    reference_ = golden.at("reference").clone();
    InputStatistics statistics(SmallShape(), at::kFloat);
    BlockState state;
    block_.Forward(x_, dense_, &state);
    statistics.Add(state);
    orders_ = RankLinears(dense_, statistics, x_.size(0));
    masked_ = dense_.WithOwnLinears();
    trainer_.emplace(block_, dense_, orders_, masked_, AllocationOptions{.prior_sigma = 0.08}, 5.0);
  }

  // Makes the gradient of the step on this sample NaN.
  void Spoil(int64_t sample) {
    reference_.select(0, sample).select(0, 5).select(0, 7).fill_(std::numeric_limits<float>::quiet_NaN());
  }

  absl::StatusOr<TrainingLog> Run(const Passes& passes) {
    const auto step = [this](const TrainingBatch& batch) { return trainer_->Step(batch); };
    return RunTraining(step, {.x = {x_}, .reference = reference_}, {.samples = x_.size(0)}, passes, 2, reporter_);
  }
  absl::StatusOr<TrainingLog> Train(int64_t epochs) { return Run({.epochs = epochs}); }

  const Observer nobody_;
  StageReporter reporter_{nobody_, Clock::Real()};
  BlockWeights dense_;
  LlamaBlock block_;
  std::array<at::Tensor, kLinears> orders_;
  BlockWeights masked_;
  at::Tensor x_;
  at::Tensor reference_;
  std::optional<BlockTrainer> trainer_;
};

TEST_F(TrainingRunTest, PassesTakeTheirInputsInTurn) {
  const at::Tensor other = x_.add(1);
  std::vector<at::Tensor> seen;
  const auto step = [&](const TrainingBatch& batch) {
    seen.push_back(batch[0].clone());
    return trainer_->Step(batch);
  };
  const Passes passes = {.epochs = 3, .batch_size = 4};
  ASSERT_TRUE(
      RunTraining(step, {.x = {x_, other}, .reference = reference_}, {.samples = 8}, passes, 2, reporter_).ok());
  ASSERT_EQ(seen.size(), 6u);
  for (size_t i = 0; i < seen.size(); ++i) {
    const at::Tensor& inputs = i / 2 == 1 ? other : x_;
    EXPECT_TRUE(seen[i].equal(inputs.narrow(0, static_cast<int64_t>(i % 2) * 4, 4))) << "step " << i;
  }
}

TEST_F(TrainingRunTest, AStepWithoutAGradientChangesNothingAndIsCounted) {
  const TrainingLog all = Train(1).value();
  EXPECT_EQ(all.skipped_steps, 0);
  ASSERT_EQ(all.loss.size(), 8u);
  const at::Tensor without_spoiled = trainer_->allocation().beta().clone();

  // The same eight steps with a ninth, spoiled one among them.
  BlockTrainer other(block_, dense_, orders_, dense_.WithOwnLinears(), {.prior_sigma = 0.08}, 5.0);
  for (int64_t sample = 0; sample < 8; ++sample) {
    other.Step({x_.narrow(0, sample, 1), reference_.narrow(0, sample, 1)});
    if (sample == 4) {
      const at::Tensor nan = reference_.narrow(0, 0, 1).mul(std::numeric_limits<float>::quiet_NaN());
      const at::Tensor record = other.Step({x_.narrow(0, 0, 1), nan});
      EXPECT_EQ(record.narrow(0, StepRecord::kFinite, kLinears).sum().item<double>(), 0.0);
    }
  }
  EXPECT_EQ(MaxDifference(other.allocation().beta(), without_spoiled), 0.0);
}

TEST_F(TrainingRunTest, ARestartedTrainerForgetsEverything) {
  const TrainingLog first = Train(2).value();
  const at::Tensor learned = trainer_->allocation().beta().clone();
  trainer_->Restart();
  const TrainingLog second = Train(2).value();
  EXPECT_EQ(first.loss, second.loss);
  EXPECT_EQ(MaxDifference(trainer_->allocation().beta(), learned), 0.0);
}

// As an engine does, which prunes block after block in the same memory.
TEST_F(TrainingRunTest, ARestartedTrainerFindsItsMemoryInAnyState) {
  ASSERT_TRUE(Train(1).ok());
  for (at::Tensor& group : masked_.groups) group.fill_(std::numeric_limits<float>::quiet_NaN());
  for (Linear linear : kAllLinears) {
    dense_.linear(linear).mul_(0.5);
    orders_[linear].copy_(orders_[linear].flip(1));
  }
  trainer_->Restart();
  const TrainingLog restarted = Train(1).value();

  BlockTrainer fresh(block_, dense_, orders_, dense_.WithOwnLinears(), {.prior_sigma = 0.08}, 5.0);
  for (int64_t sample = 0; sample < 8; ++sample) {
    const at::Tensor record = fresh.Step({x_.narrow(0, sample, 1), reference_.narrow(0, sample, 1)});
    EXPECT_EQ(restarted.loss[static_cast<size_t>(sample)], record[StepRecord::kLoss].item<float>());
  }
}

// Steps write what changes; what is there in the end is what writing all of it would give.
TEST_F(TrainingRunTest, MaskedWeightsAreThoseOfTheCountsAfterManySteps) {
  ASSERT_TRUE(Train(3).ok());
  at::Tensor loss;
  Allocation::Rates rates;
  trainer_->Gradient({x_.narrow(0, 0, 1), reference_.narrow(0, 0, 1)}, loss, rates);
  for (Linear linear : kAllLinears) {
    const at::Tensor weight = dense_.linear(linear);
    const at::Tensor expected = at::empty_like(weight);
    WriteMasked(weight, orders_[linear], trainer_->allocation().RowsOf(linear, rates.pruned), expected);
    EXPECT_EQ(MaxDifference(masked_.linear(linear), expected), 0.0) << LinearName(linear);
  }
}

TEST_F(TrainingRunTest, FewBadStepsAreOnlyCounted) {
  for (int64_t sample : {1, 2, 3, 4, 6}) Spoil(sample);
  const TrainingLog log = Train(2).value();
  EXPECT_EQ(log.skipped_steps, 10);
  EXPECT_EQ(log.loss.size(), 16u);
  EXPECT_TRUE(trainer_->allocation().beta().isfinite().all().item<bool>());
}

TEST_F(TrainingRunTest, FiveInARowFailTheBlock) {
  for (int64_t sample : {0, 1, 2, 3, 4}) Spoil(sample);
  const absl::Status status = Train(1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(status.message(), "block 2, self_attn.q_proj: its gradient was NaN or infinite in 5 steps in a row");
}

TEST_F(TrainingRunTest, ALastBatchThatIsSmallerIsAStepToo) {
  const Passes passes = {.epochs = 2, .batch_size = 3};
  EXPECT_EQ(passes.Steps(8), 6);
  const TrainingLog log = Run(passes).value();
  EXPECT_EQ(log.loss.size(), 6u);
}

}  // namespace
}  // namespace besa::pruner
