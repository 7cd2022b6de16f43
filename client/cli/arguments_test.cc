// What people type, and what is sent.
#include "CLI/CLI.hpp"
#include "client/cli/local_path.h"
#include "client/cli/spec_flags.h"
#include "gtest/gtest.h"

namespace besa::client {
namespace {

TEST(LocalPathTest, RelativePathsAreTakenFromTheCurrentDirectory) {
  EXPECT_EQ(AbsoluteUri("models/a", "/home/me"), "/home/me/models/a");
  EXPECT_EQ(AbsoluteUri("./models/a/", "/home/me"), "/home/me/models/a");
  EXPECT_EQ(AbsoluteUri("../you/a", "/home/me"), "/home/you/a");
  EXPECT_EQ(AbsoluteUri(".", "/home/me"), "/home/me");
  EXPECT_EQ(AbsoluteUri("..", "/home"), "/");
}

TEST(LocalPathTest, EverythingElseIsLeftAlone) {
  for (const char* text : {"/models/../a", "s3://bucket/a", "file:///models/a", "gs://bucket/a", ""}) {
    EXPECT_EQ(AbsoluteUri(text, "/home/me"), text);
  }
}

TEST(LocalPathTest, LocalFoldersAreShownAsPaths) {
  EXPECT_EQ(PlainUri("file:///models/a"), "/models/a");
  EXPECT_EQ(PlainUri("s3://bucket/a"), "s3://bucket/a");
  EXPECT_EQ(PlainUri("/models/a"), "/models/a");
}

TEST(LocalPathTest, NamesAndAddressesMayBeShort) {
  EXPECT_EQ(JobName("j1"), "jobs/j1");
  EXPECT_EQ(JobName("jobs/j1"), "jobs/j1");
  EXPECT_EQ(ServerTarget("besa.example"), "besa.example:7600");
  EXPECT_EQ(ServerTarget("127.0.0.1:9"), "127.0.0.1:9");
  EXPECT_EQ(ServerTarget("unix:/run/besa.sock"), "unix:/run/besa.sock");
}

absl::StatusOr<v1::CreateJobRequest> ParseAll(std::vector<std::string> arguments) {
  CLI::App app;
  SpecFlags flags;
  AddSpecFlags(app, flags);
  std::reverse(arguments.begin(), arguments.end());
  app.parse(arguments);
  return MakeCreateRequest(flags, "/here");
}

v1::CreateJobRequest Parse(const std::vector<std::string>& arguments) { return ParseAll(arguments).value(); }

TEST(SpecFlagsTest, WhatIsNotGivenIsLeftToTheService) {
  const auto request = Parse({"--model", "m", "--output", "s3://b/o", "--sparsity", "0.5", "--calibration", "c.txt"});
  v1::CreateJobRequest expected;
  auto& spec = *expected.mutable_job()->mutable_spec();
  spec.set_model_uri("/here/m");
  spec.set_output_uri("s3://b/o");
  spec.set_sparsity(0.5);
  spec.mutable_calibration()->add_uris("/here/c.txt");
  spec.mutable_method();
  EXPECT_EQ(request.DebugString(), expected.DebugString());
}

TEST(SpecFlagsTest, EveryFlagArrivesInItsField) {
  const auto request = Parse({"--model",
                              "m",
                              "--output",
                              "o",
                              "--sparsity",
                              "-0.5",
                              "--calibration",
                              "c",
                              "--samples",
                              "16",
                              "--sequence-length",
                              "64",
                              "--evaluate",
                              "e",
                              "--evaluate-windows",
                              "20",
                              "--evaluate-sequence-length",
                              "32",
                              "--method",
                              "besa",
                              "--preset",
                              "paper",
                              "--granularity",
                              "layer",
                              "--schedule",
                              "sequential",
                              "--reference",
                              "pruned-stream",
                              "--compute",
                              "bfloat16",
                              "--batch-size",
                              "2",
                              "--epochs",
                              "3",
                              "--d-coef",
                              "50",
                              "--prior-sigma",
                              "0.1",
                              "--quality",
                              "best",
                              "--recovery-epochs",
                              "6",
                              "--recovery-learning-rate",
                              "0.002",
                              "--recovery-batch-size",
                              "8",
                              "--recovery-masks",
                              "fixed",
                              "--recovery-decay",
                              "0",
                              "--recovery-dense-every",
                              "4",
                              "--block-allocation",
                              "uniform",
                              "--loss",
                              "lookahead",
                              "--seed",
                              "18446744073709551615",
                              "--name",
                              "nightly",
                              "--request-id",
                              "id"});
  const v1::JobSpec& spec = request.job().spec();
  EXPECT_EQ(request.request_id(), "id");
  EXPECT_EQ(spec.output_uri(), "/here/o");
  EXPECT_EQ(spec.sparsity(), -0.5);
  EXPECT_EQ(spec.calibration().samples(), 16);
  EXPECT_EQ(spec.calibration().sequence_length(), 64);
  EXPECT_EQ(spec.evaluations(0).name(), "");
  EXPECT_EQ(spec.evaluations(0).uris(0), "/here/e");
  EXPECT_EQ(spec.evaluations(0).windows(), 20);
  EXPECT_EQ(spec.evaluations(0).sequence_length(), 32);
  EXPECT_EQ(spec.method().method(), v1::METHOD_BESA);
  EXPECT_EQ(spec.method().preset(), v1::PRESET_PAPER);
  EXPECT_EQ(spec.method().granularity(), v1::GRANULARITY_LAYER);
  EXPECT_EQ(spec.method().schedule(), v1::SCHEDULE_SEQUENTIAL);
  EXPECT_EQ(spec.method().reference(), v1::REFERENCE_PRUNED_STREAM);
  EXPECT_EQ(spec.method().compute_type(), v1::COMPUTE_TYPE_BFLOAT16);
  EXPECT_EQ(spec.method().batch_size(), 2);
  EXPECT_EQ(spec.method().epochs(), 3);
  EXPECT_EQ(spec.method().d_coef(), 50);
  EXPECT_EQ(spec.method().prior_sigma(), 0.1);
  EXPECT_EQ(spec.method().quality(), v1::QUALITY_BEST);
  EXPECT_EQ(spec.method().recovery().epochs(), 6);
  EXPECT_EQ(spec.method().recovery().learning_rate(), 0.002);
  EXPECT_EQ(spec.method().recovery().batch_size(), 8);
  EXPECT_EQ(spec.method().recovery().masks(), v1::RECOVERY_MASKS_FIXED);
  EXPECT_TRUE(spec.method().recovery().has_decay()) << "0 is not the default of `best`";
  EXPECT_EQ(spec.method().recovery().dense_every(), 4);
  EXPECT_EQ(spec.method().block_allocation(), v1::BLOCK_ALLOCATION_UNIFORM);
  EXPECT_EQ(spec.method().loss(), v1::LOSS_LOOKAHEAD);
  EXPECT_EQ(spec.seed(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(spec.display_name(), "nightly");
}

std::vector<std::string> With(std::vector<std::string> more) {
  const std::vector<std::string> base = {"--model", "m", "--output", "o", "--sparsity", "0.5", "--calibration", "c"};
  more.insert(more.begin(), base.begin(), base.end());
  return more;
}

TEST(SpecFlagsTest, WhatDoesNotChangeTheOutputStandsBesideTheSpec) {
  const auto request = Parse(With({"--priority", "5", "--owner", "ada", "--label", "team=nlp", "--time-limit", "6h",
                                   "--completion-hook", "https://hooks.example.com/besa"}));
  const v1::Job& job = request.job();
  EXPECT_EQ(job.priority(), 5);
  EXPECT_EQ(job.owner(), "ada");
  EXPECT_EQ(job.labels().at("team"), "nlp");
  EXPECT_EQ(job.time_limit().seconds(), 6 * 3600);
  EXPECT_EQ(job.completion_hook().uri(), "https://hooks.example.com/besa");
  EXPECT_FALSE(Parse(With({})).job().has_completion_hook());
}

TEST(SpecFlagsTest, CalibrationMayBeSeveralFiles) {
  const auto request = Parse(With({"--calibration", "s3://b/d"}));
  EXPECT_EQ(request.job().spec().calibration().uris_size(), 2);
  EXPECT_EQ(request.job().spec().calibration().uris(0), "/here/c");
  EXPECT_EQ(request.job().spec().calibration().uris(1), "s3://b/d");
}

TEST(SpecFlagsTest, AValueIsForAllTextsOrForOne) {
  const auto request =
      Parse(With({"--evaluate", "books=b.txt", "--evaluate", "wiki=w", "--evaluate", "./x=y.txt", "--evaluate-stride",
                  "books=16", "--evaluate-stride", "32", "--gate-ratio", "1.5", "--gate-perplexity", "wiki=40"}));
  const v1::JobSpec& spec = request.job().spec();
  ASSERT_EQ(spec.evaluations_size(), 3);
  EXPECT_EQ(spec.evaluations(0).name(), "books");
  EXPECT_EQ(spec.evaluations(0).uris(0), "/here/b.txt");
  EXPECT_EQ(spec.evaluations(0).stride(), 16) << "the value for one text outdoes that for all";
  EXPECT_EQ(spec.evaluations(0).max_perplexity(), 0);
  EXPECT_EQ(spec.evaluations(1).stride(), 32);
  EXPECT_EQ(spec.evaluations(1).max_perplexity(), 40);
  EXPECT_EQ(spec.evaluations(2).name(), "") << "a path is no name";
  EXPECT_EQ(spec.evaluations(2).uris(0), "/here/x=y.txt");
  for (const v1::EvaluationSpec& text : spec.evaluations()) EXPECT_EQ(text.max_ratio(), 1.5);
}

TEST(SpecFlagsTest, AValueForATextThatIsNotThereIsRefused) {
  const auto request = ParseAll(With({"--evaluate", "books=b.txt", "--gate-ratio", "bocks=1.5"}));
  EXPECT_TRUE(absl::IsInvalidArgument(request.status()));
  EXPECT_NE(std::string(request.status().message()).find("bocks=1.5"), std::string::npos);
  EXPECT_THROW(Parse(With({"--evaluate", "b.txt", "--gate-ratio", "books=high"})), CLI::ValidationError);
}

TEST(SpecFlagsTest, ValuesThatDoNotExistAreRefused) {
  EXPECT_NO_THROW(Parse(With({})));
  EXPECT_THROW(Parse(With({"--preset", "bold"})), CLI::ValidationError);
  EXPECT_THROW(Parse(With({"--samples", "many"})), CLI::ConversionError);
  EXPECT_THROW(Parse(With({"--evaluate-windows", "20"})), CLI::RequiresError);
  EXPECT_THROW(Parse({"--model", "m"}), CLI::RequiredError);
}

}  // namespace
}  // namespace besa::client
