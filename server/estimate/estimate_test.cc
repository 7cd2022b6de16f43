#include "server/estimate/estimate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "cost/block_flops.h"
#include "cost/job_options.h"
#include "cost/memory_plan.h"

namespace besa::server {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

storage::ModelConfig Llama7B() {
  return {.hidden_size = 4096,
          .intermediate_size = 11008,
          .num_hidden_layers = 32,
          .num_attention_heads = 32,
          .num_key_value_heads = 32,
          .head_dim = 128,
          .vocab_size = 32000,
          .max_position_embeddings = 4096};
}

storage::ModelConfig Llama70B() {
  return {.hidden_size = 8192,
          .intermediate_size = 28672,
          .num_hidden_layers = 80,
          .num_attention_heads = 64,
          .num_key_value_heads = 8,
          .head_dim = 128,
          .vocab_size = 32000,
          .max_position_embeddings = 4096};
}

// On a device that takes a second for a forward pass of all windows through a block and three for the training, and
// moves a gigabyte a second.
EstimateInput InputOf(const storage::ModelConfig& config, int64_t block_bytes) {
  EstimateInput input;
  input.spec.set_sparsity(0.5);
  input.spec.mutable_calibration()->set_samples(128);
  input.spec.mutable_calibration()->set_sequence_length(2048);
  input.model.set_blocks(static_cast<int>(config.num_hidden_layers));
  input.config = config;
  input.bytes = {.blocks = config.num_hidden_layers * block_bytes,
                 .others = 500'000'000,
                 .embeddings = 250'000'000,
                 .head = 250'000'000,
                 .headers = 1000};
  input.text_bytes = 1'000'000;
  const cost::BlockShape shape = cost::BlockShape::Of(config, 0);
  const double forward = cost::ForwardFlops(shape, 128, 2048);
  const double training = cost::TrainingFlops(shape, 128, 2048) / 3;
  input.device = {.model = "test device",
                  .cuda = true,
                  .forward = forward,
                  .walk = forward,
                  .training = training,
                  .recovery = training,
                  .evaluation = forward};
  input.bytes_per_second = 1e9;
  return input;
}

EstimateInput Input7B() { return InputOf(Llama7B(), 400'000'000); }

std::map<std::string, v1::StageEstimate> StagesOf(const v1::EstimateJobResponse& estimate) {
  std::map<std::string, v1::StageEstimate> stages;
  for (const v1::StageEstimate& stage : estimate.stages()) stages[stage.stage()] = stage;
  return stages;
}

TEST(Estimate, OneWorkerOn7BByHand) {
  const v1::EstimateJobResponse estimate = Estimate(Input7B());
  auto stages = StagesOf(estimate);
  EXPECT_NEAR(stages["load"].seconds(), 32 * 0.4, 1e-6);
  EXPECT_NEAR(stages["statistics"].seconds(), 32, 1e-6);
  EXPECT_NEAR(stages["train"].seconds(), 32 * 3, 1e-6);
  // The final loss goes over 4 of the 128 windows.
  EXPECT_NEAR(stages["write"].seconds(), 32 * (1 / 32.0), 1e-6);
  EXPECT_NEAR(stages["upload"].seconds(), 32 * 0.4, 1e-6);
  // Weights come and results go while other blocks are computed.
  EXPECT_TRUE(stages["load"].beside());
  EXPECT_TRUE(stages["upload"].beside());
  EXPECT_NEAR(estimate.prune_seconds(), 32 * (1 + 3 + 1 / 32.0), 1e-6);
  // Embeddings and head are read and written beside the first block, which takes longer, so that nobody waits for them.
  EXPECT_NEAR(stages["passthrough"].seconds(), 2 * 0.5, 1e-6);
  EXPECT_TRUE(stages["passthrough"].beside());
  // Everything is copied once more.
  EXPECT_NEAR(estimate.seconds(), estimate.prune_seconds() + 13.3, 1e-6);
  EXPECT_EQ(estimate.repeated_forwards(), 0);

  const int64_t tokens = int64_t{128} * 2048 * 4;
  // The checkpoint; the embeddings for the first walk; the tokens for each block; headers for each of 34 tasks; texts
  // hashed and read.
  EXPECT_EQ(estimate.bytes_read(), 13'300'000'000 + 250'000'000 + 32 * tokens + 34 * 1000 + 2'000'000);
  // The checkpoint, the tokens, and a rate and a count for each of 42,496 rows a block.
  EXPECT_EQ(estimate.bytes_written(), 13'300'000'000 + tokens + int64_t{32} * 42'496 * 8);
  EXPECT_EQ(estimate.activation_bytes(), 0);
}

TEST(Estimate, LookingAheadAddsToThePassesAndObservesTheNextBlock) {
  EstimateInput input = Input7B();
  input.spec.mutable_method()->set_loss(v1::LOSS_LOOKAHEAD);
  input.workers = 4;
  auto stages = StagesOf(Estimate(input));
  // All blocks but the last; a worker's first block has a pass of its own for its statistics.
  EXPECT_NEAR(stages["lookahead"].seconds(), 31, 1e-6);
  EXPECT_NEAR(stages["statistics"].seconds(), 4, 1e-6);
  const cost::BlockShape shape = cost::BlockShape::Of(input.config, 0);
  const double ahead = cost::LookaheadFlops(shape, 128, 2048) / cost::TrainingFlops(shape, 128, 2048);
  EXPECT_NEAR(stages["train"].seconds(), 32 * 3 + 31 * 3 * ahead / 2, 1e-6) << "with half of the windows";
  input.spec.mutable_method()->set_schedule(v1::SCHEDULE_SEQUENTIAL);
  stages = StagesOf(Estimate(input));
  EXPECT_NEAR(stages["lookahead"].seconds(), 31, 1e-6);
  EXPECT_NEAR(stages["statistics"].seconds(), 2 * 32, 1e-6) << "of the pruned stream, and of the dense one";
}

TEST(Estimate, PublishingFromFolderToFolderCopiesNothing) {
  EstimateInput input = Input7B();
  const double copied = Estimate(input).seconds();
  input.shares_output = true;
  EXPECT_NEAR(Estimate(input).seconds(), copied - 13.3, 1e-6);
}

TEST(Estimate, StepsCostTheSameHoweverManySamplesTheyTake) {
  EstimateInput input = Input7B();
  input.device.training_step_seconds = 0.01;
  // 128 windows, 64 steps of two.
  EXPECT_NEAR(StagesOf(Estimate(input))["train"].seconds(), 32 * (3 + 0.64), 1e-6);
  input.spec.mutable_method()->set_batch_size(4);
  EXPECT_NEAR(StagesOf(Estimate(input))["train"].seconds(), 32 * (3 + 0.32), 1e-6);
}

TEST(Estimate, MemoryIsThePlanOfTheWorker) {
  EstimateInput input = InputOf(Llama70B(), 1'711'000'000);
  const v1::EstimateJobResponse estimate = Estimate(input);
  const cost::MemoryPlan plan = cost::PlanPruning(Llama70B(), 128, 2048, cost::ResolveOptions({}, Llama70B(), 128),
                                                  {.cuda = true, .compute = cost::ComputeType::kBFloat16});
  EXPECT_EQ(estimate.block_memory_bytes(), plan.Total());
  EXPECT_NEAR(static_cast<double>(estimate.block_memory_bytes()), 17.9 * (1 << 30), 0.1 * (1 << 30))
      << "docs/benchmarks.md, A block on a GPU";
  int64_t sum = 0;
  int64_t before = estimate.memory(0).bytes();
  for (const v1::MemoryPart& part : estimate.memory()) {
    sum += part.bytes();
    EXPECT_LE(part.bytes(), before);
    before = part.bytes();
  }
  EXPECT_EQ(sum, plan.Total());
  EXPECT_EQ(estimate.evaluation_memory_bytes(), 0);
}

TEST(Estimate, TwoWorkersWalkFurtherAndAreSoonerDone) {
  EstimateInput input = InputOf(Llama70B(), 1'711'000'000);
  const v1::EstimateJobResponse one = Estimate(input);
  input.workers = 2;
  const v1::EstimateJobResponse two = Estimate(input);
  // Who walks waits for the weights on the way, who prunes does not.
  EXPECT_LT(two.prune_seconds(), 0.8 * one.prune_seconds());
  EXPECT_GT(two.prune_seconds(), 0.5 * one.prune_seconds());
  EXPECT_GT(two.repeated_forwards(), 20);
  // Whoever walks reads the weights on the way, and begins with the embeddings.
  const double more = two.repeated_forwards() * 1'711'000'000;
  EXPECT_NEAR(static_cast<double>(two.bytes_read() - one.bytes_read()), more, 250'000'000 * 2.0);
  EXPECT_EQ(two.bytes_written(), one.bytes_written());
}

TEST(Estimate, RecoveryAndTheSequentialScheduleShowWhatQualityCosts) {
  EstimateInput input = Input7B();
  v1::MethodSpec& method = *input.spec.mutable_method();
  method.set_schedule(v1::SCHEDULE_SEQUENTIAL);
  method.mutable_recovery()->set_epochs(4);
  method.mutable_recovery()->set_batch_size(4);
  const v1::EstimateJobResponse estimate = Estimate(input);
  auto stages = StagesOf(estimate);
  // The dense stream is carried through the block beside the pruned one's own pass.
  EXPECT_NEAR(stages["statistics"].seconds(), 32 * 2, 1e-6);
  EXPECT_NEAR(stages["recover"].seconds(), 32 * 4 * 3, 1e-6);
  // Through every committed block but the last.
  EXPECT_NEAR(stages["walk"].seconds(), 31 * (0.4 + 1), 1e-6);
  EXPECT_EQ(stages["walk"].bytes_read(), int64_t{31} * 400'000'000 + 2 * 250'000'000);
  EXPECT_NEAR(estimate.prune_seconds(), 32 * (2 + 3 + 12 + 0.4 + 1 / 32.0) + 31 * 1.4, 1e-6);
  const double one = estimate.seconds();
  input.workers = 2;
  EXPECT_NEAR(Estimate(input).prune_seconds(), estimate.prune_seconds(), 1e-6) << "blocks wait for each other";
  EXPECT_LE(Estimate(input).seconds(), one);
}

TEST(Estimate, EvaluationsReadTheModelForEachGroupOfWindows) {
  EstimateInput input = Input7B();
  v1::EvaluationSpec& text = *input.spec.add_evaluations();
  text.set_name("text");
  text.set_sequence_length(2048);
  const v1::EstimateJobResponse before = Estimate(input);
  // 128 windows of 2,048 make a group.
  input.evaluation_windows = {200};
  const v1::EstimateJobResponse estimate = Estimate(input);
  auto stages = StagesOf(estimate);
  const int64_t dense = 2 * (12'800'000'000 + 500'000'000);
  const int64_t pruned = 2 * (25'600'000'000 + 500'000'000);
  const int64_t tokens = int64_t{200} * 2048 * 4;
  EXPECT_EQ(stages["evaluate"].bytes_read(), dense + pruned + 2 * tokens + 2 * 1000);
  // Through 32 blocks and a head, once and twice.
  const double flops = EvaluationFlops(Llama7B(), 200, 2048);
  EXPECT_NEAR(flops / input.device.forward, 200 / 128.0 * (32 + 0.6), 1.0);
  EXPECT_NEAR(stages["evaluate"].seconds(),
              3 * flops / input.device.evaluation + static_cast<double>(dense + pruned + 2 * tokens) / 1e9, 1e-6);
  EXPECT_GT(estimate.evaluation_memory_bytes(), 0);
  EXPECT_NEAR(estimate.seconds() - before.seconds(), stages["evaluate"].seconds(), 1e-6);
}

TEST(Estimate, StoredActivationsAreWrittenOnceAndReadWhereTheyHelp) {
  EstimateInput input = InputOf(Llama70B(), 1'711'000'000);
  input.workers = 8;
  input.bytes_per_second = 25e9;
  const v1::EstimateJobResponse walked = Estimate(input);
  input.activations = v1::ACTIVATIONS_STORED;
  const v1::EstimateJobResponse stored = Estimate(input);
  EXPECT_LT(stored.prune_seconds(), walked.prune_seconds());
  auto stages = StagesOf(stored);
  // Two boundaries a worker, never in front of the first block: 128 x 2048 x 8192 in bfloat16.
  EXPECT_EQ(stages["store"].bytes_written(), int64_t{15} * 128 * 2048 * 8192 * 2);
  EXPECT_TRUE(stages["store"].beside());
  EXPECT_EQ(stored.activation_bytes(), stages["store"].bytes_written() + stages["fetch"].bytes_read());
  EXPECT_GT(stages["fetch"].bytes_read(), 0);
  // Every share of the windows goes through 75 blocks.
  EXPECT_GE(stages["sweep"].bytes_read(), int64_t{8} * 75 * 1'711'000'000);
}

TEST(Estimate, SaysWhatItRestsOnAndWhatItDoesNotCount) {
  EstimateInput input = Input7B();
  input.device.basis = {"measured somewhere"};
  input.spec.mutable_method()->set_method(v1::METHOD_SPARSEGPT);
  v1::EstimateJobResponse estimate = Estimate(input);
  EXPECT_THAT(estimate.basis(), Contains("measured somewhere"));
  EXPECT_THAT(estimate.basis(), Contains(HasSubstr("1 GB/s")));
  EXPECT_THAT(estimate.basis(), Contains(HasSubstr("SparseGPT's solving is not counted")));
  EXPECT_THAT(estimate.basis(), Contains(HasSubstr("tokens is not counted")));
  input.device.solving = 1e12;
  input.device.text_bytes_per_second = 1e6;
  estimate = Estimate(input);
  EXPECT_THAT(estimate.basis(), Not(Contains(HasSubstr("not counted"))));
  EXPECT_NEAR(StagesOf(estimate)["prepare"].seconds(), 1.0, 1e-6);
}

}  // namespace
}  // namespace besa::server
