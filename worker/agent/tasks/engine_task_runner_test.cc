// Every kind of task with the real engine, on the small model and real text.
#include "worker/agent/tasks/engine_task_runner.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <map>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "storage/base/error_info.h"
#include "storage/base/sha256.h"
#include "storage/checkpoint/checkpoint.h"
#include "storage/safetensors/safetensors.h"
#include "worker/agent/failure_reason.h"
#include "worker/agent/tasks/files.h"
#include "worker/agent/tasks/testing.h"

namespace besa::worker {
namespace {

using storage::Checkpoint;
using storage::OverlaySource;
using ::testing::HasSubstr;

constexpr int kBlocks = 6;

bool GoOn(const v1::TaskProgress&) { return true; }

class EngineTaskRunnerTest : public TaskTest {
 protected:
  EngineTaskRunnerTest()
      : engine_(*pruner::Engine::Create({.device = "cpu", .threads = 1})),
        runner_({.store = *store_, .engine = *engine_, .clock = Clock::Real()}) {
    spec_.set_model_uri(At("model").ToString());
    spec_.set_sparsity(0.5);
    spec_.set_seed(7);
    spec_.mutable_calibration()->add_uris(BESA_TEST_DATA "/golden/text.txt");
    spec_.mutable_calibration()->set_samples(4);
    spec_.mutable_calibration()->set_sequence_length(64);
    AddEvaluation("whole", /*windows=*/3, /*stride=*/64);
    AddEvaluation("sliding", /*windows=*/5, /*stride=*/32);
  }

  void AddEvaluation(const std::string& name, int windows, int stride) {
    v1::EvaluationSpec& text = *spec_.add_evaluations();
    text.set_name(name);
    text.add_uris(BESA_TEST_DATA "/golden/text.txt");
    text.set_sequence_length(64);
    text.set_windows(windows);
    text.set_stride(stride);
  }

  v1::Assignment Assign(v1::TaskKind kind, const std::string& task) {
    v1::Assignment assignment;
    assignment.mutable_lease()->set_task("jobs/a/tasks/" + task);
    assignment.set_kind(kind);
    *assignment.mutable_spec() = spec_;
    assignment.set_attempt_uri(At("jobs/a/" + task + "/1").ToString());
    assignment.set_shard_bytes(int64_t{4} << 30);
    assignment.set_tokens_uri(At("jobs/a/prepare/1").ToString());
    *assignment.mutable_inputs() = prepared_.prepare().inputs();
    return assignment;
  }

  absl::StatusOr<v1::TaskResult> Prepare() {
    auto result = runner_.Run(Assign(v1::TASK_KIND_PREPARE, "prepare"), GoOn);
    if (result.ok()) prepared_ = *result;
    return result;
  }

  v1::Assignment PruneOf(int block) {
    v1::Assignment assignment = Assign(v1::TASK_KIND_PRUNE, absl::StrCat("prune-0000", block));
    assignment.set_block(block);
    return assignment;
  }

  // Fails the test unless every file is there with the size and hash that the result says.
  void CheckFiles(const v1::Assignment& assignment, const v1::TaskResult& result) {
    const storage::Uri folder = *storage::Uri::Parse(assignment.attempt_uri());
    ASSERT_EQ(store_->List(folder)->size(), static_cast<size_t>(result.files_size()));
    for (const v1::File& file : result.files()) {
      const auto content = storage::ReadAll(*store_, folder.Join(file.path()), int64_t{1} << 30);
      ASSERT_TRUE(content.ok()) << content.status();
      EXPECT_EQ(file.size(), static_cast<int64_t>(content->size()));
      EXPECT_EQ(file.sha256(), Sha256Hex(*content));
    }
  }

  void ExpectFails(const v1::Assignment& assignment, v1::FailureReason reason, const std::string& part) {
    const auto result = runner_.Run(assignment, GoOn);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(FailureReasonOf(result.status()), reason) << result.status();
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(part));
  }

  const std::unique_ptr<pruner::Engine> engine_;
  EngineTaskRunner runner_;
  v1::JobSpec spec_;
  v1::TaskResult prepared_;
};

int64_t CountZeros(const storage::HostTensor& tensor) {
  int64_t zeros = 0;
  for (size_t i = 0; i < tensor.bytes.size(); i += 2) {
    // bf16: both zeros have all bits but the sign clear.
    zeros += tensor.bytes[i] == std::byte{0} && (tensor.bytes[i + 1] & std::byte{0x7F}) == std::byte{0};
  }
  return zeros;
}

TEST_F(EngineTaskRunnerTest, PrepareMakesTokensFingerprintsAndAMemoryPlan) {
  const auto result = Prepare();
  ASSERT_TRUE(result.ok()) << result.status();
  const v1::PrepareResult& prepare = result->prepare();
  EXPECT_EQ(prepare.calibration_text_tokens(), 1133);
  ASSERT_EQ(prepare.evaluations_size(), 2);
  EXPECT_EQ(prepare.evaluations(0).name(), "whole");
  EXPECT_EQ(prepare.evaluations(0).windows(), 3);
  EXPECT_EQ(prepare.evaluations(0).text_tokens(), 1133);
  EXPECT_EQ(prepare.evaluations(1).windows(), 5);
  EXPECT_GT(prepare.block_memory_bytes(), 0);
  EXPECT_GT(prepare.evaluation_memory_bytes(), 0);
  EXPECT_GT(prepare.comparison_memory_bytes(), prepare.evaluation_memory_bytes());
  EXPECT_EQ(prepare.inputs_size(), 4);
  EXPECT_THAT(result->numerics(), HasSubstr("cpu"));
  CheckFiles(Assign(v1::TASK_KIND_PREPARE, "prepare"), *result);

  const auto calibration = ReadTokens(*store_, At("jobs/a/prepare/1/calibration.safetensors"));
  ASSERT_TRUE(calibration.ok()) << calibration.status();
  EXPECT_EQ(calibration->windows, 4);
  EXPECT_EQ(calibration->length, 64);
  EXPECT_EQ(prepare.calibration_sha256(), text::IdsSha256(calibration->ids));
}

TEST_F(EngineTaskRunnerTest, PrepareNeedsATokenizerForTextOnly) {
  std::filesystem::remove(folder_ + "/model/tokenizer.json");
  ExpectFails(Assign(v1::TASK_KIND_PREPARE, "prepare"), v1::FAILURE_REASON_INVALID_INPUT, "model/tokenizer.json");
}

TEST_F(EngineTaskRunnerTest, PrepareNamesWhatIsTooShortOrTooLong) {
  spec_.mutable_calibration()->set_sequence_length(256);
  Write("short.txt", "Only a few words.");
  spec_.mutable_calibration()->set_uris(0, At("short.txt").ToString());
  ExpectFails(Assign(v1::TASK_KIND_PREPARE, "prepare"), v1::FAILURE_REASON_INVALID_INPUT, "calibration.uris");
  spec_.mutable_calibration()->set_sequence_length(257);
  ExpectFails(Assign(v1::TASK_KIND_PREPARE, "prepare"), v1::FAILURE_REASON_INVALID_INPUT,
              "calibration.sequence_length: 257");
}

TEST_F(EngineTaskRunnerTest, PruneZeroesExactlyHalfOfABlock) {
  ASSERT_TRUE(Prepare().ok());
  EXPECT_FALSE(runner_.cursor().has_value());
  std::map<std::string, int> stages;
  const v1::Assignment assignment = PruneOf(2);
  const auto result = runner_.Run(assignment, [&](const v1::TaskProgress& progress) {
    ++stages[progress.stage()];
    return true;
  });
  ASSERT_TRUE(result.ok()) << result.status();
  CheckFiles(assignment, *result);
  EXPECT_GT(stages["train"], 0);
  const v1::BlockResult& block = result->block();
  EXPECT_EQ(block.block(), 2);
  EXPECT_EQ(2 * block.zeros(), block.weights());
  ASSERT_EQ(block.linears_size(), 7);
  EXPECT_EQ(block.linears(0).name(), "model.layers.2.self_attn.q_proj");
  EXPECT_TRUE(std::isfinite(block.final_loss()));
  ASSERT_TRUE(runner_.cursor().has_value());
  EXPECT_EQ(runner_.cursor()->job(), "jobs/a");

  // The files say the same: zeros as reported, everything else as it was.
  const auto checkpoint = Checkpoint::Open(*store_, At("model"));
  const auto pruned = OverlaySource::Open(*store_, *checkpoint, {At("jobs/a/prune-00002/1/shard-00000.safetensors")});
  ASSERT_TRUE(pruned.ok()) << pruned.status();
  for (const v1::LinearResult& linear : block.linears()) {
    EXPECT_EQ(CountZeros(*pruned->Read(linear.name() + ".weight")), linear.zeros()) << linear.name();
  }
  const auto header = storage::ReadSafetensorsHeader(*store_, At("jobs/a/prune-00002/1/shard-00000.safetensors"));
  EXPECT_EQ(header->tensors.size(), checkpoint->BlockTensors(2).size());
  EXPECT_EQ(header->metadata.at("format"), "pt");
  const std::string norm = "model.layers.2.input_layernorm.weight";
  EXPECT_EQ(pruned->Read(norm)->bytes, checkpoint->Read(norm)->bytes);

  const auto allocation = storage::ReadSafetensorsHeader(*store_, At("jobs/a/prune-00002/1/allocation.safetensors"));
  EXPECT_EQ(allocation->tensors.size(), 14u);
  EXPECT_EQ(allocation->tensors.at("model.layers.2.mlp.up_proj.rate").shape, std::vector<int64_t>{512});
}

// What the coordinator tells of a block that was committed.
void AddCommitted(const v1::Assignment& prune, const v1::TaskResult& result, v1::Assignment& assignment) {
  v1::CommittedBlock& committed = *assignment.add_committed_blocks();
  committed.set_block(prune.block());
  committed.set_attempt_uri(prune.attempt_uri());
  *committed.mutable_files() = result.files();
}

TEST_F(EngineTaskRunnerTest, ASequentialJobGoesOnFromTheCommittedFilesWhoeverWroteThem) {
  ASSERT_TRUE(Prepare().ok());
  spec_.mutable_method()->set_schedule(v1::SCHEDULE_SEQUENTIAL);
  const v1::Assignment first = PruneOf(0);
  const auto committed = runner_.Run(first, GoOn);
  ASSERT_TRUE(committed.ok()) << committed.status();
  v1::Assignment second = PruneOf(1);
  AddCommitted(first, *committed, second);
  const auto by_author = runner_.Run(second, GoOn);
  ASSERT_TRUE(by_author.ok()) << by_author.status();
  EXPECT_EQ(runner_.cursor()->block(), 1) << "block 1 is not committed yet";

  const auto engine = *pruner::Engine::Create({.device = "cpu", .threads = 1});
  EngineTaskRunner other({.store = *store_, .engine = *engine, .clock = Clock::Real()});
  second.set_attempt_uri(At("jobs/a/prune-00001/2").ToString());
  const auto by_another = other.Run(second, GoOn);
  ASSERT_TRUE(by_another.ok()) << by_another.status();
  ASSERT_EQ(by_another->files_size(), by_author->files_size());
  for (int i = 0; i < by_author->files_size(); ++i) {
    EXPECT_EQ(by_another->files(i).sha256(), by_author->files(i).sha256());
  }

  spec_.mutable_method()->set_schedule(v1::SCHEDULE_INDEPENDENT);
  const auto independent = runner_.Run(PruneOf(1), GoOn);
  ASSERT_TRUE(independent.ok()) << independent.status();
  EXPECT_NE(independent->files(0).sha256(), by_author->files(0).sha256());
}

TEST_F(EngineTaskRunnerTest, ASequentialBlockNeedsTheFilesOfAllBlocksBefore) {
  ASSERT_TRUE(Prepare().ok());
  spec_.mutable_method()->set_schedule(v1::SCHEDULE_SEQUENTIAL);
  v1::Assignment second = PruneOf(1);
  ExpectFails(second, v1::FAILURE_REASON_INTERNAL, "0 committed blocks, not 1");
  const v1::Assignment first = PruneOf(0);
  AddCommitted(first, *runner_.Run(first, GoOn), second);
  std::filesystem::remove(folder_ + "/jobs/a/prune-00000/1/shard-00000.safetensors");
  ExpectFails(second, v1::FAILURE_REASON_STORAGE, "shard-00000.safetensors");
  second.mutable_committed_blocks(0)->set_block(3);
  ExpectFails(second, v1::FAILURE_REASON_INTERNAL, "committed block 0 is block 3");
}

TEST_F(EngineTaskRunnerTest, ASecondAttemptWritesTheSameBytes) {
  ASSERT_TRUE(Prepare().ok());
  const auto first = runner_.Run(PruneOf(1), GoOn);
  v1::Assignment again = PruneOf(1);
  again.set_attempt_uri(At("jobs/a/prune-00001/2").ToString());
  const auto second = runner_.Run(again, GoOn);
  ASSERT_TRUE(first.ok() && second.ok());
  ASSERT_EQ(first->files_size(), second->files_size());
  for (int i = 0; i < first->files_size(); ++i) EXPECT_EQ(first->files(i).sha256(), second->files(i).sha256());
}

TEST_F(EngineTaskRunnerTest, SmallShardBytesGiveSeveralShards) {
  ASSERT_TRUE(Prepare().ok());
  v1::Assignment assignment = PruneOf(0);
  assignment.set_shard_bytes(300'000);
  const auto result = runner_.Run(assignment, GoOn);
  ASSERT_TRUE(result.ok()) << result.status();
  CheckFiles(assignment, *result);
  EXPECT_GT(result->files_size(), 3);
  for (const v1::File& file : result->files()) EXPECT_LE(file.size(), 300'000);
}

TEST_F(EngineTaskRunnerTest, PruneStopsWhenAskedTo) {
  ASSERT_TRUE(Prepare().ok());
  const auto result =
      runner_.Run(PruneOf(0), [](const v1::TaskProgress& progress) { return progress.stage() != "train"; });
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(EngineTaskRunnerTest, ChangedInputsAreRefused) {
  ASSERT_TRUE(Prepare().ok());
  Write("model/config.json", "{}");
  ExpectFails(PruneOf(0), v1::FAILURE_REASON_INPUT_CHANGED, "model/config.json");
  ExpectFails(Assign(v1::TASK_KIND_PASSTHROUGH, "passthrough"), v1::FAILURE_REASON_INPUT_CHANGED, "model/config.json");
  ExpectFails(Assign(v1::TASK_KIND_EVALUATE_DENSE, "evaluate-dense"), v1::FAILURE_REASON_INPUT_CHANGED, "config.json");
}

TEST_F(EngineTaskRunnerTest, LostTokensAreTheStoresFailure) {
  ASSERT_TRUE(Prepare().ok());
  std::filesystem::remove(folder_ + "/jobs/a/prepare/1/calibration.safetensors");
  ExpectFails(PruneOf(0), v1::FAILURE_REASON_STORAGE, "calibration.safetensors");
}

TEST_F(EngineTaskRunnerTest, NanInAWeightNamesBlockAndLinear) {
  const auto header = storage::ReadSafetensorsHeader(*store_, At("model/model.safetensors"));
  const auto& entry = header->tensors.at("model.layers.0.mlp.up_proj.weight");
  std::fstream file(folder_ + "/model/model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(entry.offset);
  file.write("\xC0\x7F", 2);  // a bf16 NaN
  file.close();
  ASSERT_TRUE(Prepare().ok());
  ExpectFails(PruneOf(0), v1::FAILURE_REASON_BAD_NUMBERS, "block 0, mlp.up_proj");
}

TEST_F(EngineTaskRunnerTest, PassthroughCarriesTheOtherTensors) {
  ASSERT_TRUE(Prepare().ok());
  const v1::Assignment assignment = Assign(v1::TASK_KIND_PASSTHROUGH, "passthrough");
  const auto result = runner_.Run(assignment, GoOn);
  ASSERT_TRUE(result.ok()) << result.status();
  CheckFiles(assignment, *result);
  EXPECT_THAT(result->passthrough().tensors(), ::testing::Contains("model.embed_tokens.weight"));
  EXPECT_EQ(result->files(0).path(), "rest-00000.safetensors");
}

TEST_F(EngineTaskRunnerTest, EvaluatesTheModelAndWhatItBecomes) {
  ASSERT_TRUE(Prepare().ok());
  v1::Assignment pruned = Assign(v1::TASK_KIND_EVALUATE_PRUNED, "evaluate-pruned");
  for (int block = 0; block < kBlocks; ++block) {
    const v1::Assignment prune = PruneOf(block);
    const auto result = runner_.Run(prune, GoOn);
    ASSERT_TRUE(result.ok()) << result.status();
    AddCommitted(prune, *result, pruned);
  }
  const auto before = runner_.Run(Assign(v1::TASK_KIND_EVALUATE_DENSE, "evaluate-dense"), GoOn);
  int64_t last = 0;
  const auto after = runner_.Run(pruned, [&](const v1::TaskProgress& progress) {
    EXPECT_GE(progress.step(), last) << "all texts are one stretch of work";
    EXPECT_EQ(progress.steps(), 2 * (3 + 5) * kBlocks);
    last = progress.step();
    return true;
  });
  EXPECT_EQ(last, 2 * (3 + 5) * kBlocks);
  ASSERT_TRUE(before.ok()) << before.status();
  ASSERT_TRUE(after.ok()) << after.status();
  ASSERT_EQ(before->evaluation().texts_size(), 2);
  ASSERT_EQ(after->evaluation().texts_size(), 2);
  EXPECT_EQ(before->evaluation().texts(0).tokens(), 3 * 63);
  EXPECT_EQ(before->evaluation().texts(1).tokens(), 63 + 4 * 32);
  EXPECT_EQ(before->evaluation().texts(1).stride(), 32);
  for (int i = 0; i < 2; ++i) {
    const v1::Perplexity& dense = before->evaluation().texts(i);
    const v1::Perplexity& sparse = after->evaluation().texts(i);
    EXPECT_EQ(dense.text_sha256(), prepared_.prepare().evaluations(i).sha256());
    EXPECT_EQ(sparse.text_sha256(), dense.text_sha256());
    EXPECT_EQ(sparse.tokens(), dense.tokens());
    EXPECT_GT(dense.perplexity(), 5);
    EXPECT_LT(dense.perplexity(), 100);
    EXPECT_GT(sparse.perplexity(), dense.perplexity());
    EXPECT_LT(sparse.perplexity(), 20 * dense.perplexity());
    EXPECT_FALSE(dense.has_kl_divergence());
    EXPECT_GT(sparse.kl_divergence(), 0.01);
    EXPECT_LT(sparse.kl_divergence(), 3);
  }

  pruned.mutable_committed_blocks()->RemoveLast();
  ExpectFails(pruned, v1::FAILURE_REASON_INTERNAL, "5 committed blocks");
}

}  // namespace
}  // namespace besa::worker
