#include "server/estimate/measured_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "cost/block_flops.h"
#include "proto/time.h"

namespace besa::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kNumerics[] = "cpu; EPYC; float32; LibTorch 2.11.0; AVX512; threads 1";
constexpr double kBytesPerSecond = 1e9;
// Of a block's files.
constexpr int64_t kBlockBytes = 50'000'000;

cost::BlockShape Shape(int64_t hidden) {
  return {.hidden = hidden, .intermediate = 3 * hidden, .heads = hidden / 64, .kv_heads = hidden / 64, .head_dim = 64};
}

DeviceClass Epyc() { return {.model = "EPYC", .threads = 1}; }

void AddStage(const char* name, double seconds, v1::TaskResult& result) {
  v1::StageSeconds& stage = *result.add_stages();
  stage.set_stage(name);
  stage.set_seconds(seconds);
}

// A committed task whose attempt took `seconds`.
v1::Task& AddTask(v1::TaskKind kind, double from, double seconds, EarlierJob& job) {
  v1::Task& task = job.tasks.emplace_back();
  task.set_kind(kind);
  task.set_state(v1::TASK_STATE_COMMITTED);
  v1::Attempt& attempt = *task.add_attempts();
  attempt.set_number(1);
  attempt.set_worker("workers/w");
  *attempt.mutable_start_time() = ToProto(absl::FromUnixSeconds(1000) + absl::Seconds(from));
  *attempt.mutable_end_time() = ToProto(absl::FromUnixSeconds(1000) + absl::Seconds(from + seconds));
  task.mutable_result()->set_attempt(1);
  task.mutable_result()->set_numerics(kNumerics);
  return task;
}

// A job of two blocks, 64 windows of 128 tokens, one a step.
EarlierJob SomeJob(const cost::BlockShape& shape, double statistics, double train) {
  EarlierJob job;
  job.job.set_name("jobs/one");
  job.job.mutable_model()->set_blocks(2);
  job.job.mutable_model()->set_prunable_parameters(2 * shape.TotalWeights());
  job.job.mutable_spec()->mutable_calibration()->set_samples(64);
  job.job.mutable_spec()->mutable_calibration()->set_sequence_length(128);
  for (int block = 0; block < 2; ++block) {
    v1::Task& task = AddTask(v1::TASK_KIND_PRUNE, 10.0 * block, statistics + train + 0.5, job);
    task.set_block(block);
    v1::TaskResult& result = *task.mutable_result();
    AddStage("load", 0.07, result);
    AddStage("statistics", statistics, result);
    AddStage("train", train, result);
    result.mutable_block()->set_block(block);
    for (const cost::Linear linear : cost::kAllLinears) {
      v1::LinearResult& described = *result.mutable_block()->add_linears();
      described.set_rows(shape.Rows(linear));
      described.set_cols(shape.Cols(linear));
    }
    result.add_files()->set_size(kBlockBytes);
  }
  return job;
}

TEST(MeasuredProfile, IsWorkOverSecondsByStage) {
  const cost::BlockShape shape = Shape(256);
  const auto profile =
      MeasuredProfile({SomeJob(shape, 1.0, 4.0)}, Epyc(), shape, v1::SCHEDULE_INDEPENDENT, kBytesPerSecond);
  ASSERT_TRUE(profile.has_value());
  EXPECT_NEAR(profile->forward, cost::ForwardFlops(shape, 64, 128) / 1.0, 1);
  // Arithmetic as fast as the forward pass; what is left, over 64 steps.
  EXPECT_NEAR(profile->training, profile->forward, 1);
  const double arithmetic = cost::TrainingFlops(shape, 64, 128) / cost::ForwardFlops(shape, 64, 128);
  EXPECT_NEAR(profile->training_step_seconds, (4.0 - arithmetic) / 64, 1e-9);
  EXPECT_EQ(profile->walk, profile->forward);
  EXPECT_EQ(profile->recovery, profile->training);
  EXPECT_EQ(profile->recovery_step_seconds, profile->training_step_seconds);
  EXPECT_EQ(profile->solving, 0);
  // Reading 50 MB takes 0.05 s.
  EXPECT_NEAR(profile->load_seconds, 0.02, 1e-9);
  // Of an attempt of 5.5 s, stages make up 5.07.
  EXPECT_NEAR(profile->task_seconds, 0.43, 1e-9);
  EXPECT_THAT(profile->basis, ElementsAre(HasSubstr("EPYC, float32, threads 1: as measured on 2 blocks of jobs/one")));
}

TEST(MeasuredProfile, TheNearestInSizeDecidesAndTheNextFillsGaps) {
  const cost::BlockShape shape = Shape(256);
  EarlierJob same = SomeJob(shape, 1.0, 4.0);
  EarlierJob larger = SomeJob(Shape(512), 1.0, 4.0);
  larger.job.set_name("jobs/larger");
  larger.job.mutable_spec()->mutable_method()->mutable_recovery()->set_epochs(2);
  for (v1::Task& task : larger.tasks) AddStage("recover", 6.0, *task.mutable_result());
  const auto profile = MeasuredProfile({larger, same}, Epyc(), shape, v1::SCHEDULE_INDEPENDENT, kBytesPerSecond);
  EXPECT_NEAR(profile->forward, cost::ForwardFlops(shape, 64, 128), 1) << "not that of the larger blocks";
  EXPECT_NEAR(profile->recovery, 2 * cost::TrainingFlops(Shape(512), 64, 128) / 6.0, 1);
  EXPECT_EQ(profile->recovery_step_seconds, 0) << "in what was measured";
  const auto other = MeasuredProfile({same}, Epyc(), Shape(1024), v1::SCHEDULE_INDEPENDENT, kBytesPerSecond);
  EXPECT_THAT(other->basis, ElementsAre(HasSubstr("EPYC"), HasSubstr("nearest blocks measured")));
}

TEST(MeasuredProfile, LookingAheadIsTheNextBlocksPassForStatistics) {
  const cost::BlockShape shape = Shape(256);
  EarlierJob job = SomeJob(shape, 1.0, 4.0);
  job.job.mutable_spec()->mutable_method()->set_loss(v1::LOSS_LOOKAHEAD);
  AddStage("lookahead", 1.0, *job.tasks[0].mutable_result());
  // Whose were taken then.
  for (v1::StageSeconds& stage : *job.tasks[1].mutable_result()->mutable_stages()) {
    if (stage.stage() == "statistics") stage.set_seconds(0.01);
  }
  const auto profile = MeasuredProfile({job}, Epyc(), shape, v1::SCHEDULE_INDEPENDENT, kBytesPerSecond);
  EXPECT_NEAR(profile->forward, cost::ForwardFlops(shape, 64, 128) / 1.0, 1);
}

TEST(MeasuredProfile, ASequentialJobShowsWhatAWalkTakes) {
  const cost::BlockShape shape = Shape(256);
  EarlierJob job = SomeJob(shape, 2.0, 4.0);
  job.job.mutable_spec()->mutable_method()->set_schedule(v1::SCHEDULE_SEQUENTIAL);
  AddStage("walk", 0.01, *job.tasks[0].mutable_result());
  // Reading the committed block takes what loading it takes.
  AddStage("walk", 0.07 + 0.8, *job.tasks[1].mutable_result());
  const auto profile = MeasuredProfile({job}, Epyc(), shape, v1::SCHEDULE_INDEPENDENT, kBytesPerSecond);
  // Of two seconds of statistics, the dense stream's pass takes what a walk takes.
  EXPECT_NEAR(profile->forward, cost::ForwardFlops(shape, 64, 128) / 1.2, 1);
  EXPECT_NEAR(profile->walk, cost::ForwardFlops(shape, 64, 128) / 0.8, 1);
  // Somebody else had to walk from the embeddings.
  job.tasks[1].mutable_attempts(0)->set_worker("workers/other");
  const auto unknown = MeasuredProfile({job}, Epyc(), shape, v1::SCHEDULE_INDEPENDENT, kBytesPerSecond);
  EXPECT_EQ(unknown->walk, unknown->forward);
  EXPECT_NEAR(unknown->forward, cost::ForwardFlops(shape, 64, 128) / 1.0, 1) << "half of the stage each";
}

TEST(MeasuredProfile, OneBlockThatWasHeldUpDecidesNothing) {
  const cost::BlockShape shape = Shape(256);
  EarlierJob job = SomeJob(shape, 1.0, 4.0);
  job.tasks.push_back(job.tasks[0]);
  job.tasks[0].mutable_result()->mutable_stages(1)->set_seconds(30);
  const auto profile = MeasuredProfile({job}, Epyc(), shape, v1::SCHEDULE_INDEPENDENT, kBytesPerSecond);
  EXPECT_NEAR(profile->forward, cost::ForwardFlops(shape, 64, 128), 1);
}

TEST(MeasuredProfile, JobsOfTheSameScheduleComeFirst) {
  const cost::BlockShape shape = Shape(256);
  const EarlierJob independent = SomeJob(shape, 1.0, 4.0);
  EarlierJob sequential = SomeJob(shape, 1.2, 3.0);
  sequential.job.mutable_spec()->mutable_method()->set_schedule(v1::SCHEDULE_SEQUENTIAL);
  sequential.job.mutable_spec()->mutable_method()->set_reference(v1::REFERENCE_PRUNED_STREAM);
  for (const v1::Schedule schedule : {v1::SCHEDULE_INDEPENDENT, v1::SCHEDULE_SEQUENTIAL}) {
    const auto profile = MeasuredProfile({independent, sequential}, Epyc(), shape, schedule, kBytesPerSecond);
    const double seconds = schedule == v1::SCHEDULE_SEQUENTIAL ? 1.2 : 1.0;
    EXPECT_NEAR(profile->forward, cost::ForwardFlops(shape, 64, 128) / seconds, 1);
  }
}

TEST(MeasuredProfile, TextsEvaluationsAndPublishing) {
  const cost::BlockShape shape = Shape(256);
  EarlierJob job = SomeJob(shape, 1.0, 4.0);
  job.job.mutable_model()->set_parameters(2 * shape.TotalWeights() + 1000 * 256);
  job.job.mutable_model()->set_bytes(200'000'000);
  job.job.mutable_spec()->mutable_calibration()->add_uris("/text");
  v1::TaskResult& prepare = *AddTask(v1::TASK_KIND_PREPARE, 0, 2.5, job).mutable_result();
  AddStage("prepare", 2.0, prepare);
  for (const char* uri : {"/text", "/model/model.safetensors"}) {
    v1::InputFingerprint& input = *prepare.mutable_prepare()->add_inputs();
    input.set_uri(uri);
    input.set_size(1'000'000);
  }
  v1::TaskResult& evaluation = *AddTask(v1::TASK_KIND_EVALUATE_PRUNED, 20, 10, job).mutable_result();
  AddStage("evaluate", 8.4, evaluation);
  v1::Perplexity& text = *evaluation.mutable_evaluation()->add_texts();
  text.set_windows(10);
  text.set_sequence_length(128);
  *job.job.mutable_end_time() = ToProto(absl::FromUnixSeconds(1000) + absl::Seconds(30.9));
  const auto profile = MeasuredProfile({job}, Epyc(), shape, v1::SCHEDULE_INDEPENDENT, kBytesPerSecond);
  EXPECT_NEAR(profile->text_bytes_per_second, 500'000, 1e-6);
  // Both models through two blocks and a head of 1,000 rows; reading them takes 0.4 s.
  const double flops = 2 * (2 * cost::ForwardFlops(shape, 10, 128) + cost::ForwardFlops(256'000, 0, 10, 128));
  EXPECT_NEAR(profile->evaluation, flops / 8.0, 1);
  // 0.9 s after the last commit, of which 0.2 for moving 200 MB.
  EXPECT_NEAR(profile->publish_seconds, 0.7, 1e-6);
}

TEST(MeasuredProfile, SparseGptsHessiansAreNotTakenForForwardPasses) {
  const cost::BlockShape shape = Shape(256);
  EarlierJob besa = SomeJob(shape, 1.0, 4.0);
  EarlierJob sparsegpt = SomeJob(shape, 3.0, 0.0);
  sparsegpt.job.mutable_spec()->mutable_method()->set_method(v1::METHOD_SPARSEGPT);
  for (v1::Task& task : sparsegpt.tasks) AddStage("solve", 2.0, *task.mutable_result());
  const auto profile = MeasuredProfile({sparsegpt, besa}, Epyc(), shape, v1::SCHEDULE_INDEPENDENT, kBytesPerSecond);
  EXPECT_NEAR(profile->forward, cost::ForwardFlops(shape, 64, 128), 1);
  EXPECT_NEAR(profile->solving, cost::SolvingFlops(shape, 64, 128) / 4.0, 1);
}

TEST(MeasuredProfile, OfAnotherDeviceThereIsNone) {
  const cost::BlockShape shape = Shape(256);
  const std::vector<EarlierJob> jobs = {SomeJob(shape, 1.0, 4.0)};
  EXPECT_FALSE(MeasuredProfile(jobs, {.model = "XEON", .threads = 1}, shape, v1::SCHEDULE_INDEPENDENT, kBytesPerSecond)
                   .has_value());
  EXPECT_FALSE(MeasuredProfile(jobs, {.model = "EPYC", .threads = 8}, shape, v1::SCHEDULE_INDEPENDENT, kBytesPerSecond)
                   .has_value());
  EXPECT_FALSE(
      MeasuredProfile(jobs, {.model = "EPYC", .bfloat16 = true}, shape, v1::SCHEDULE_INDEPENDENT, kBytesPerSecond)
          .has_value());
  EXPECT_FALSE(MeasuredProfile(jobs, {.model = "EPYC", .cuda = true}, shape, v1::SCHEDULE_INDEPENDENT, kBytesPerSecond)
                   .has_value());
  EXPECT_TRUE(MeasuredProfile(jobs, {.model = "EPYC"}, shape, v1::SCHEDULE_INDEPENDENT, kBytesPerSecond).has_value())
      << "any number of threads";
}

}  // namespace
}  // namespace besa::server
