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

v1::CreateJobRequest Parse(std::vector<std::string> arguments) {
  CLI::App app;
  SpecFlags flags;
  AddSpecFlags(app, flags);
  std::reverse(arguments.begin(), arguments.end());
  app.parse(arguments);
  return MakeCreateRequest(flags, "/here");
}

TEST(SpecFlagsTest, WhatIsNotGivenIsLeftToTheService) {
  const auto request = Parse({"--model", "m", "--output", "s3://b/o", "--sparsity", "0.5", "--calibration", "c.txt"});
  v1::CreateJobRequest expected;
  auto& spec = *expected.mutable_job()->mutable_spec();
  spec.set_model_uri("/here/m");
  spec.set_output_uri("s3://b/o");
  spec.set_sparsity(0.5);
  spec.mutable_calibration()->set_uri("/here/c.txt");
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
                              "independent",
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
  EXPECT_EQ(spec.evaluation().uri(), "/here/e");
  EXPECT_EQ(spec.evaluation().windows(), 20);
  EXPECT_EQ(spec.evaluation().sequence_length(), 32);
  EXPECT_EQ(spec.method().method(), v1::METHOD_BESA);
  EXPECT_EQ(spec.method().preset(), v1::PRESET_PAPER);
  EXPECT_EQ(spec.method().granularity(), v1::GRANULARITY_LAYER);
  EXPECT_EQ(spec.method().schedule(), v1::SCHEDULE_INDEPENDENT);
  EXPECT_EQ(spec.method().compute_type(), v1::COMPUTE_TYPE_BFLOAT16);
  EXPECT_EQ(spec.method().batch_size(), 2);
  EXPECT_EQ(spec.method().epochs(), 3);
  EXPECT_EQ(spec.method().d_coef(), 50);
  EXPECT_EQ(spec.method().prior_sigma(), 0.1);
  EXPECT_EQ(spec.seed(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(spec.display_name(), "nightly");
}

TEST(SpecFlagsTest, ValuesThatDoNotExistAreRefused) {
  const std::vector<std::string> base = {"--model", "m", "--output", "o", "--sparsity", "0.5", "--calibration", "c"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    return more;
  };
  EXPECT_NO_THROW(Parse(with({})));
  EXPECT_THROW(Parse(with({"--preset", "bold"})), CLI::ValidationError);
  EXPECT_THROW(Parse(with({"--samples", "many"})), CLI::ConversionError);
  EXPECT_THROW(Parse(with({"--evaluate-windows", "20"})), CLI::RequiresError);
  EXPECT_THROW(Parse({"--model", "m"}), CLI::RequiredError);
}

}  // namespace
}  // namespace besa::client
