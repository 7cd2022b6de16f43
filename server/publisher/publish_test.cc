#include "server/publisher/publish.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/testing/scripted_task.h"
#include "server/testing/temp_folder.h"
#include "server/testing/tiny_checkpoint.h"
#include "storage/base/error_info.h"
#include "storage/base/sha256.h"
#include "storage/checkpoint/checkpoint.h"
#include "storage/object/faulty_store.h"
#include "storage/object/open_store.h"

namespace besa::server {
namespace {

using ::besa::server::testing::ReadFile;
using ::besa::server::testing::RunScriptedTask;
using ::besa::server::testing::TempFolder;
using ::besa::server::testing::WriteFile;
using ::besa::server::testing::WriteTinyCheckpoint;
using ::besa::storage::FaultyStore;
using ::besa::storage::StopAt;
using ::nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kVersion[] = "0.1.0";
const MayGoOn kAlways = [] { return absl::OkStatus(); };

class PublishTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteTinyCheckpoint(*store_, folder_ / "model");
    WriteFile(folder_.path() / "model" / "LICENSE", "free");
    WriteFile(folder_.path() / "model" / "pytorch_model.bin", "a pickle");
    WriteFile(folder_.path() / "text.txt", std::string(100, 'x'));
  }

  // A job of that id whose tasks were all committed by a worker, to be published to `output`.
  PublishingClaim Committed(const std::string& id, const std::string& output) {
    PublishingClaim claim;
    claim.job_name = "jobs/" + id;
    claim.workspace_uri = (folder_ / "workspace").Join(id).ToString();
    claim.job.set_name(claim.job_name);
    claim.job.mutable_create_time()->set_seconds(1'700'000'000);
    claim.job.mutable_model()->set_blocks(2);
    v1::JobSpec& spec = *claim.job.mutable_spec();
    spec.set_model_uri((folder_ / "model").ToString());
    spec.set_output_uri((folder_ / output).ToString());
    spec.set_display_name("run " + id);
    spec.set_sparsity(0.5);
    spec.set_seed(7);
    spec.mutable_calibration()->add_uris((folder_ / "text.txt").ToString());
    spec.mutable_calibration()->set_samples(2);
    spec.mutable_calibration()->set_sequence_length(16);
    v1::EvaluationSpec& text = *spec.add_evaluations();
    text.set_name("held_out");
    text.add_uris((folder_ / "text.txt").ToString());
    text.set_sequence_length(16);
    text.set_stride(8);

    AddTask(claim, "prepare", v1::TASK_KIND_PREPARE);
    AddTask(claim, "prune-00000", v1::TASK_KIND_PRUNE, 0);
    AddTask(claim, "prune-00001", v1::TASK_KIND_PRUNE, 1);
    AddTask(claim, "passthrough", v1::TASK_KIND_PASSTHROUGH);
    AddTask(claim, "evaluate-dense", v1::TASK_KIND_EVALUATE_DENSE);
    AddTask(claim, "evaluate-pruned", v1::TASK_KIND_EVALUATE_PRUNED);
    return claim;
  }

  void AddTask(PublishingClaim& claim, const std::string& id, v1::TaskKind kind, int block = 0) {
    v1::Assignment assignment;
    assignment.set_kind(kind);
    assignment.set_block(block);
    *assignment.mutable_spec() = claim.job.spec();
    assignment.set_attempt_uri(absl::StrCat(claim.workspace_uri, "/", id, "/1"));
    v1::Task& task = claim.tasks.emplace_back();
    task.set_name(absl::StrCat(claim.job_name, "/tasks/", id));
    task.set_kind(kind);
    task.set_block(block);
    *task.mutable_result() = RunScriptedTask(*store_, assignment);
    task.mutable_result()->set_attempt_uri(assignment.attempt_uri());
    task.add_attempts()->set_worker("workers/of-" + claim.job_name);
  }

  std::filesystem::path Output(const std::string& name) { return folder_.path() / name; }

  // File names and contents of an output.
  std::map<std::string, std::string> Contents(const std::string& output) {
    std::map<std::string, std::string> contents;
    for (const auto& entry : std::filesystem::directory_iterator(Output(output))) {
      contents[entry.path().filename().string()] = ReadFile(entry.path());
    }
    return contents;
  }

  absl::Status PublishNow(const PublishingClaim& claim) { return Publish(*store_, claim, kVersion, kAlways); }

  TempFolder folder_;
  std::unique_ptr<storage::ObjectStore> store_ = *storage::OpenStore({.allowed_prefixes = {folder_.path().string()}});
};

TEST_F(PublishTest, MakesAFolderThatIsACheckpoint) {
  const PublishingClaim claim = Committed("a", "out");
  ASSERT_TRUE(PublishNow(claim).ok()) << PublishNow(claim);

  std::vector<std::string> names;
  for (const auto& [name, content] : Contents("out")) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("LICENSE", "besa_manifest.json", "besa_run.json", "config.json",
                                 "model-00001-of-00005.safetensors", "model-00002-of-00005.safetensors",
                                 "model-00003-of-00005.safetensors", "model-00004-of-00005.safetensors",
                                 "model-00005-of-00005.safetensors", "model.safetensors.index.json", "report.html",
                                 "tokenizer.json"));
  EXPECT_EQ(ReadFile(Output("out") / "config.json"), ReadFile(folder_.path() / "model" / "config.json"));

  // Reading it back checks index, headers and shapes.
  const auto published = storage::Checkpoint::Open(*store_, folder_ / "out");
  ASSERT_TRUE(published.ok()) << published.status();
  const auto dense = storage::Checkpoint::Open(*store_, folder_ / "model");
  EXPECT_EQ(published->parameters(), dense->parameters());
  EXPECT_EQ(published->OtherTensors(), dense->OtherTensors());
}

// Committed shards are never changed, so the output has them at once. Companions are the user's, who may edit either.
TEST_F(PublishTest, ShardsAreThoseOfTheWorkspaceAndCompanionsAreCopies) {
  const PublishingClaim claim = Committed("a", "out");
  ASSERT_TRUE(PublishNow(claim).ok());
  int shared = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path() / "workspace")) {
    for (const auto& published : std::filesystem::directory_iterator(Output("out"))) {
      shared += std::filesystem::equivalent(entry.path(), published.path()) ? 1 : 0;
    }
  }
  EXPECT_EQ(shared, 5);
  for (const char* companion : {"config.json", "tokenizer.json", "LICENSE"}) {
    EXPECT_FALSE(std::filesystem::equivalent(folder_.path() / "model" / companion, Output("out") / companion));
  }
  const std::map<std::string, std::string> contents = Contents("out");
  std::filesystem::remove_all(folder_.path() / "workspace");
  EXPECT_EQ(Contents("out"), contents);
}

TEST_F(PublishTest, TheManifestSaysWhatWasMade) {
  ASSERT_TRUE(PublishNow(Committed("a", "out")).ok());
  const json manifest = json::parse(ReadFile(Output("out") / "besa_manifest.json"));

  const std::map<std::string, std::string> contents = Contents("out");
  EXPECT_EQ(manifest["files"].size(), contents.size() - 3) << "all but manifest, run record and report";
  for (const json& file : manifest["files"]) {
    const std::string& content = contents.at(file["path"]);
    EXPECT_EQ(file["size"], content.size());
    EXPECT_EQ(file["sha256"], Sha256Hex(content));
  }
  EXPECT_EQ(manifest["linears"].size(), 14U);
  EXPECT_EQ(manifest["linears"][0]["name"], "model.layers.0.self_attn.q_proj");
  EXPECT_EQ(manifest["linears"][0]["zeros"], 32);
  EXPECT_EQ(manifest["linears"][0]["sparsity"], 0.5);
  EXPECT_EQ(manifest["blocks"][1]["block"], 1);
  EXPECT_EQ(manifest["blocks"][1]["numerics"], "scripted");
  EXPECT_EQ(manifest["sparsity"]["asked"], 0.5);
  EXPECT_EQ(manifest["sparsity"]["reached"], 0.5);
  EXPECT_EQ(manifest["sparsity"]["weights"], 1152);
  EXPECT_EQ(manifest["options"]["seed"], 7);
  EXPECT_EQ(manifest["calibration"]["sha256"], Sha256Hex("calibration"));
  EXPECT_EQ(manifest["calibration"]["windows"], 2);
  const json text = manifest["evaluations"][0];
  EXPECT_EQ(text["name"], "held_out");
  EXPECT_EQ(text["sha256"], Sha256Hex("held_out"));
  EXPECT_EQ(text["windows"], 2);
  EXPECT_EQ(text["sequence_length"], 16);
  EXPECT_EQ(text["stride"], 8);
  EXPECT_EQ(text["dense_perplexity"], 20.0);
  EXPECT_EQ(text["pruned_perplexity"], 25.0);
  EXPECT_EQ(text["kl_divergence"], 0.25);
  EXPECT_EQ(text["pruned_numerics"], "scripted");
  EXPECT_EQ(manifest["besa_version"], kVersion);
}

TEST_F(PublishTest, TheRunRecordSaysWhoMadeIt) {
  ASSERT_TRUE(PublishNow(Committed("a", "out")).ok());
  const json record = json::parse(ReadFile(Output("out") / "besa_run.json"));
  EXPECT_EQ(record["job"], "jobs/a");
  EXPECT_EQ(record["create_time"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(record["tasks"][1]["attempts"][0]["worker"], "workers/of-jobs/a");
}

TEST_F(PublishTest, TheReportTellsOfASuccess) {
  ASSERT_TRUE(PublishNow(Committed("a", "out")).ok());
  const std::string report = ReadFile(Output("out") / "report.html");
  EXPECT_THAT(report, HasSubstr(R"("state":"succeeded")"));
  EXPECT_THAT(report, HasSubstr(R"("job":"jobs/a")"));
  EXPECT_THAT(ReadFile(Output("out") / "besa_manifest.json"), Not(HasSubstr("report.html")));
}

TEST_F(PublishTest, EqualSpecsGiveEqualBytes) {
  ASSERT_TRUE(PublishNow(Committed("a", "out-a")).ok());
  ASSERT_TRUE(PublishNow(Committed("b", "out-b")).ok());
  auto a = Contents("out-a");
  auto b = Contents("out-b");
  EXPECT_NE(a["besa_run.json"], b["besa_run.json"]);
  for (const char* varies : {"besa_run.json", "report.html"}) {
    a.erase(varies);
    b.erase(varies);
  }
  EXPECT_EQ(a, b);
}

TEST_F(PublishTest, DoneAgainItGivesTheSameBytes) {
  const PublishingClaim claim = Committed("a", "out");
  ASSERT_TRUE(PublishNow(claim).ok());
  const auto once = Contents("out");
  ASSERT_TRUE(PublishNow(claim).ok());
  EXPECT_EQ(Contents("out"), once);
}

// As if the coordinator had been killed at each operation of the store, before or after it took effect.
TEST_F(PublishTest, KilledAnywhereItCanBeFinishedByAnother) {
  PublishingClaim claim = Committed("a", "out");
  FaultyStore counting(*store_);
  ASSERT_TRUE(Publish(counting, claim, kVersion, kAlways).ok());
  const auto expected = Contents("out");
  ASSERT_GT(counting.calls(), 30);

  for (const bool done_first : {false, true}) {
    for (int64_t fail_at = 1; fail_at <= counting.calls(); ++fail_at) {
      SCOPED_TRACE(absl::StrCat("operation ", fail_at, done_first ? ", done" : ", not done"));
      std::filesystem::remove_all(Output("out"));
      FaultyStore dying(*store_, StopAt(fail_at, done_first));
      ASSERT_EQ(Publish(dying, claim, kVersion, kAlways).code(), absl::StatusCode::kUnavailable);
      // Whoever sees the manifest has everything.
      const bool complete = std::filesystem::exists(Output("out") / "besa_manifest.json");
      ASSERT_TRUE(!complete || Contents("out") == expected);
      ASSERT_TRUE(PublishNow(claim).ok()) << PublishNow(claim);
      ASSERT_EQ(Contents("out"), expected);
    }
  }
}

TEST_F(PublishTest, AForeignFileIsRefusedAndLeftAlone) {
  const PublishingClaim claim = Committed("a", "out");
  WriteFile(Output("out") / "precious.txt", "keep me");
  const absl::Status status = PublishNow(claim);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("output_uri"), HasSubstr("/out"), HasSubstr("precious.txt")));
  EXPECT_EQ(Contents("out"), (std::map<std::string, std::string>{{"precious.txt", "keep me"}}));
}

TEST_F(PublishTest, AForeignFileOfAnExpectedNameIsRefusedToo) {
  const PublishingClaim claim = Committed("a", "out");
  WriteFile(Output("out") / "config.json", "somebody's own");
  EXPECT_THAT(std::string(PublishNow(claim).message()), HasSubstr("foreign file config.json"));
  EXPECT_EQ(ReadFile(Output("out") / "config.json"), "somebody's own");
}

TEST_F(PublishTest, AForeignFileThatAppearsWhilePublishingIsRefused) {
  const PublishingClaim claim = Committed("a", "out");
  ASSERT_TRUE(PublishNow(claim).ok());
  WriteFile(Output("out") / "model.safetensors", "dense");
  EXPECT_THAT(std::string(PublishNow(claim).message()), HasSubstr("foreign file model.safetensors"));
}

TEST_F(PublishTest, TheOutputOfAnotherJobIsRefused) {
  ASSERT_TRUE(PublishNow(Committed("a", "out")).ok());
  EXPECT_THAT(std::string(PublishNow(Committed("b", "out")).message()), HasSubstr("the output of jobs/a"));
}

TEST_F(PublishTest, ACompanionThatChangedIsRefused) {
  const PublishingClaim claim = Committed("a", "out");
  WriteFile(folder_.path() / "model" / "tokenizer.json", "{\"version\": \"2.0\"}");
  const absl::Status status = PublishNow(claim);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("tokenizer.json"), HasSubstr("changed")));
  EXPECT_EQ(GetErrorInfo(status)->reason, "INPUT_CHANGED");
  EXPECT_FALSE(std::filesystem::exists(Output("out") / "tokenizer.json"));
  EXPECT_FALSE(std::filesystem::exists(Output("out") / "besa_manifest.json"));
}

TEST_F(PublishTest, AShardOfAnotherSizeThanCommittedIsDataLoss) {
  const PublishingClaim claim = Committed("a", "out");
  WriteFile(folder_.path() / "workspace" / "a" / "prune-00001" / "1" / "shard-00002.safetensors", "cut short");
  const absl::Status status = PublishNow(claim);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("shard-00002.safetensors"), HasSubstr("9 bytes")));
}

TEST_F(PublishTest, StopsBetweenStepsWhenItsClaimIsLost) {
  const PublishingClaim claim = Committed("a", "out");
  int asked = 0;
  const absl::Status status = Publish(*store_, claim, kVersion, [&]() -> absl::Status {
    return ++asked < 3 ? absl::OkStatus() : absl::AbortedError("the claim moved on");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(std::filesystem::exists(Output("out") / "model-00004-of-00005.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(Output("out") / "model-00005-of-00005.safetensors")) << "four at a time";
}

}  // namespace
}  // namespace besa::server
