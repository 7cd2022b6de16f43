#include "client/cli/job_text.h"

#include "client/testing/messages.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa::client {
namespace {

using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

v1::Job Succeeded() {
  v1::Job job = MakeJob(v1::JOB_STATE_SUCCEEDED, 40);
  job.mutable_spec()->set_output_uri("file:///models/books-besa50");
  v1::JobResult& result = *job.mutable_result();
  result.set_sparsity(0.5);
  result.set_zeros(1'234'567);
  result.set_weights(2'469'134);
  v1::TextEvaluation& text = *result.add_evaluations();
  text.set_name("books");
  for (v1::Perplexity* measured : {text.mutable_dense(), text.mutable_pruned()}) {
    measured->set_windows(200);
    measured->set_sequence_length(256);
    measured->set_stride(256);
    measured->set_tokens(51'000);
    measured->set_text_sha256("0123456789abcdef");
  }
  text.mutable_dense()->set_perplexity(25);
  text.mutable_pruned()->set_perplexity(31.25);
  text.mutable_pruned()->set_kl_divergence(0.21875);
  auto* stage = result.add_stages();
  stage->set_stage("train");
  stage->set_seconds(33.04);
  return job;
}

TEST(JobTextTest, TheResultIsATableThatEndsWithTheFolder) {
  EXPECT_EQ(DescribeResult(Succeeded()),
            "PERPLEXITY OF  DENSE  PRUNED  RATIO   KL      MEASURED ON\n"
            "books          25     31.25   1.2500  0.2188  first 200 windows of 256, stride 256: 51,000 tokens, ids "
            "0123456789ab\n"
            "sparsity, asked    0.500000\n"
            "sparsity, reached  0.500000  1,234,567 zeros in 2,469,134 weights\n"
            "seconds, train     33.0\n"
            "output: /models/books-besa50\n");
}

TEST(JobTextTest, ACompletionHookSaysHowItsDeliveryStands) {
  v1::Job job = MakeJob(v1::JOB_STATE_PRUNING, 3);
  v1::CompletionHook& hook = *job.mutable_completion_hook();
  hook.set_uri("https://hooks.example.com/besa");
  EXPECT_THAT(DescribeJob(job), ContainsRegex("hook: +https://hooks.example.com/besa\n"));
  hook.set_state(v1::COMPLETION_HOOK_STATE_PENDING);
  hook.mutable_next_attempt_time()->set_seconds(1'750'000'000);
  EXPECT_THAT(DescribeJob(job), HasSubstr("/besa, PENDING (0 attempts)\n"));
  hook.set_attempts(1);
  hook.set_last_error("the endpoint answered 500");
  EXPECT_THAT(DescribeJob(job),
              HasSubstr("/besa, PENDING (1 attempt): the endpoint answered 500; next 2025-06-15 15:06:40Z\n"));
  hook.set_state(v1::COMPLETION_HOOK_STATE_FAILED);
  hook.clear_next_attempt_time();
  hook.set_attempts(34);
  EXPECT_THAT(DescribeJob(job), HasSubstr("/besa, FAILED (34 attempts): the endpoint answered 500\n"));
}

TEST(JobTextTest, WithoutAnEvaluationItSaysSo) {
  v1::Job job = Succeeded();
  job.mutable_result()->clear_evaluations();
  EXPECT_THAT(DescribeResult(job), HasSubstr("perplexity         not measured  no evaluation text was given\n"));
}

TEST(JobTextTest, FiguresThatAreNotThereYetAreLeftOpen) {
  v1::Job job = Succeeded();
  job.set_state(v1::JOB_STATE_PRUNING);
  job.mutable_result()->mutable_evaluations(0)->clear_pruned();
  EXPECT_THAT(DescribeJob(job), HasSubstr("books          25     -       -      -   first 200 windows of 256"));
}

TEST(JobTextTest, AShutGateShowsTheFigures) {
  v1::Job job = Succeeded();
  job.set_state(v1::JOB_STATE_FAILED);
  job.mutable_error()->set_reason(v1::FAILURE_REASON_GATE);
  job.mutable_error()->set_message("the gate is shut");
  EXPECT_THAT(DescribeFailure(job), HasSubstr("failed (gate): the gate is shut\nPERPLEXITY OF  DENSE"));
}

TEST(JobTextTest, AFailureTellsReasonTaskAndLog) {
  v1::Job job = MakeJob(v1::JOB_STATE_FAILED, 40);
  job.mutable_error()->set_reason(v1::FAILURE_REASON_BAD_NUMBERS);
  job.mutable_error()->set_message("block 5, mlp.down_proj: 3 weights are NaN");
  job.mutable_error()->set_task("jobs/j1/tasks/prune-00005");
  job.mutable_error()->add_log_tail("loading block 5");
  EXPECT_EQ(DescribeFailure(job),
            "jobs/j1 failed (bad-numbers): block 5, mlp.down_proj: 3 weights are NaN\n"
            "task: jobs/j1/tasks/prune-00005\n"
            "last lines logged:\n"
            "  loading block 5\n");
  EXPECT_THAT(DescribeJob(job), EndsWith(DescribeFailure(job)));
}

TEST(JobTextTest, AValidatedJobShowsModelAndFilledInSpec) {
  v1::Job job = MakeJob(v1::JOB_STATE_UNSPECIFIED, 0);
  job.clear_name();
  job.mutable_spec()->mutable_calibration()->add_uris("/data/c4.jsonl.gz");
  job.mutable_spec()->mutable_calibration()->set_samples(128);
  job.mutable_spec()->mutable_calibration()->set_sequence_length(256);
  v1::EvaluationSpec& evaluation = *job.mutable_spec()->add_evaluations();
  evaluation.set_name("books");
  evaluation.add_uris("/data/held_out.txt");
  evaluation.add_uris("/data/more.txt");
  evaluation.set_sequence_length(256);
  evaluation.set_stride(128);
  evaluation.set_max_perplexity(40);
  evaluation.set_max_ratio(1.5);
  job.mutable_spec()->mutable_method()->set_method(v1::METHOD_BESA);
  job.mutable_spec()->mutable_method()->set_preset(v1::PRESET_DEFAULT);
  job.mutable_spec()->mutable_method()->set_prior_sigma(0.08);
  job.mutable_model()->set_architecture("LlamaForCausalLM");
  job.mutable_model()->set_blocks(6);
  job.mutable_model()->set_parameters(3'000'000);
  job.mutable_model()->set_prunable_parameters(2'000'000);
  job.mutable_model()->set_bytes(6'000'000);
  const std::string text = DescribeJob(job);
  EXPECT_THAT(text, HasSubstr("/data/c4.jsonl.gz, 128 windows of 256 tokens\n"));
  EXPECT_THAT(text, HasSubstr("books: /data/held_out.txt and 1 more file, all windows of 256 tokens, stride 128, "
                              "gate: at most 40 and at most 1.5 times dense\n"));
  EXPECT_THAT(text, HasSubstr("besa, preset default, prior sigma 0.08\n"));
  EXPECT_THAT(text, HasSubstr("LlamaForCausalLM, 6 blocks"));
  EXPECT_THAT(text, HasSubstr("3,000,000 (2,000,000 prunable), 5.7 MiB\n"));
  EXPECT_THAT(text, Not(HasSubstr("state:")));
}

TEST(JobTextTest, TablesHaveOneLineEach) {
  v1::ListJobsResponse jobs;
  *jobs.add_jobs() = MakeJob(v1::JOB_STATE_PRUNING, 3);
  EXPECT_EQ(JobTable(jobs),
            "JOB      STATE    BLOCKS  SPARSITY  CREATED  NAME  MODEL\n"
            "jobs/j1  PRUNING  0 of 6  0.5       -              /models/books\n");

  v1::ListTasksResponse tasks;
  *tasks.add_tasks() = MakeCommittedBlock(0);
  *tasks.add_tasks() = MakeProgress(1, "train", 3, 64);
  *tasks.add_tasks() = MakeBlockTask(2, v1::TASK_STATE_PENDING);
  tasks.mutable_tasks(2)->set_pending_reason("no worker has 22.0 GiB");
  EXPECT_EQ(TaskTable(tasks),
            "TASK         STATE      ATTEMPTS  WORKER  SPARSITY  LOSS  REMARK\n"
            "prune-00000  COMMITTED  1         w1      0.5000    0.02\n"
            "prune-00001  LEASED     0         -       -         -     train 3/64\n"
            "prune-00002  PENDING    0         -       -         -     no worker has 22.0 GiB\n");

  v1::ListWorkersResponse workers;
  v1::Worker& worker = *workers.add_workers();
  worker.set_name("workers/w1");
  worker.set_state(v1::WORKER_STATE_BUSY);
  worker.mutable_device()->set_id("cuda:0");
  worker.mutable_device()->set_model("NVIDIA H100");
  worker.mutable_device()->set_memory_bytes(int64_t{78} << 30);
  worker.set_version("0.1.0");
  worker.add_tasks("jobs/j1/tasks/prune-00001");
  EXPECT_EQ(WorkerTable(workers),
            "WORKER      STATE  DEVICE  MODEL        MEMORY    VERSION  LAST SEEN  TASKS\n"
            "workers/w1  BUSY   cuda:0  NVIDIA H100  78.0 GiB  0.1.0    -          jobs/j1/tasks/prune-00001\n");
}

}  // namespace
}  // namespace besa::client
