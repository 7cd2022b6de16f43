// The Engine as its users see it, on books-llama-3m.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <numeric>
#include <set>

#include "storage/base/error_info.h"
#include "storage/object/open_store.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Tensors of a checkpoint, some of them replaced.
class EditedSource final : public storage::TensorSource {
 public:
  explicit EditedSource(const storage::TensorSource& base) : base_(base) {}

  absl::StatusOr<storage::TensorLocation> Find(absl::string_view name) const override { return base_.Find(name); }
  absl::StatusOr<storage::HostTensor> Read(absl::string_view name) const override {
    const auto edited = edited_.find(std::string(name));
    return edited == edited_.end() ? base_.Read(name) : edited->second;
  }

  // bfloat16 elements of a tensor, to be changed.
  std::span<uint16_t> Edit(const std::string& name) {
    storage::HostTensor& tensor = edited_[name] = base_.Read(name).value();
    return {reinterpret_cast<uint16_t*>(tensor.bytes.data()), tensor.bytes.size() / 2};
  }
  storage::HostTensor& Replace(const std::string& name) { return edited_[name] = base_.Read(name).value(); }

 private:
  const storage::TensorSource& base_;
  std::map<std::string, storage::HostTensor> edited_;
};

// A model some of whose blocks were committed.
class CommittedSource final : public storage::TensorSource {
 public:
  explicit CommittedSource(const storage::TensorSource& dense) : dense_(dense) {}

  // What another worker would know of the block: its bytes, and something that tells them from others.
  void Commit(const BlockPruning& block, const std::string& identity) {
    for (const storage::HostTensor& tensor : block.tensors) tensors_[tensor.name] = tensor;
    identities_.push_back(identity);
  }
  const std::vector<std::string>& identities() const { return identities_; }

  absl::StatusOr<storage::TensorLocation> Find(absl::string_view name) const override { return dense_.Find(name); }
  absl::StatusOr<storage::HostTensor> Read(absl::string_view name) const override {
    const auto committed = tensors_.find(std::string(name));
    return committed == tensors_.end() ? dense_.Read(name) : committed->second;
  }

 private:
  const storage::TensorSource& dense_;
  std::map<std::string, storage::HostTensor> tensors_;
  std::vector<std::string> identities_;
};

constexpr uint16_t kNaN = 0x7fc0;
constexpr uint16_t kHuge = 0x7f00;  // 1.7e38.

class EngineTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    storage::StoreOptions options{.allowed_prefixes = {BESA_TEST_DATA}};
    store_ = storage::OpenStore(options).value();
    const storage::Uri folder = storage::Uri::Parse(std::string(BESA_TEST_DATA) + "/books-llama-3m").value();
    checkpoint_ = std::make_unique<storage::Checkpoint>(storage::Checkpoint::Open(*store_, folder).value());
  }
  static void TearDownTestSuite() {
    checkpoint_.reset();
    store_.reset();
  }

  static storage::HostTensor Golden(const std::string& name) {
    const auto uri = storage::Uri::Parse(std::string(BESA_TEST_DATA) + "/golden/forward.safetensors").value();
    const auto entry = storage::ReadSafetensorsHeader(*store_, uri)->tensors.at(name);
    storage::HostTensor tensor{.name = name, .dtype = entry.dtype, .shape = entry.shape};
    tensor.bytes.resize(static_cast<size_t>(entry.size));
    EXPECT_TRUE(store_->ReadRange(uri, entry.offset, tensor.bytes).ok());
    return tensor;
  }

  // Windows of real text.
  static TokenWindows Text(int64_t windows, int64_t length) {
    const storage::HostTensor ids = Golden("text_ids");
    const auto* begin = reinterpret_cast<const int32_t*>(ids.bytes.data());
    TokenWindows text{.windows = windows, .length = length};
    for (int64_t i = 0; i < windows; ++i) {
      const int32_t* window = begin + i * 31 % (ids.shape[0] - length);
      text.ids.insert(text.ids.end(), window, window + length);
    }
    return text;
  }

  static std::unique_ptr<Engine> NewEngine(const EngineOptions& options = {.device = "cpu", .threads = 1}) {
    return Engine::Create(options).value();
  }

  PruneRequest Request(int64_t block, const storage::TensorSource& source = *checkpoint_) const {
    return {.config = &checkpoint_->config(),
            .dense = &source,
            .block_tensors = checkpoint_->BlockTensors(block),
            .stream_key = "books",
            .calibration = &calibration_,
            .block = block};
  }

  // Of the block behind those of `committed`.
  PruneRequest SequentialRequest(const CommittedSource& committed, const BesaOptions& options) const {
    PruneRequest request = Request(static_cast<int64_t>(committed.identities().size()));
    request.pruned = &committed;
    request.committed = committed.identities();
    request.options = options;
    request.options.schedule = Schedule::kSequential;
    return request;
  }

  static std::unique_ptr<storage::ObjectStore> store_;
  static std::unique_ptr<storage::Checkpoint> checkpoint_;
  const TokenWindows calibration_ = Text(12, 48);
};

std::unique_ptr<storage::ObjectStore> EngineTest::store_;
std::unique_ptr<storage::Checkpoint> EngineTest::checkpoint_;

void ExpectSameBits(const BlockPruning& a, const BlockPruning& b) {
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (size_t i = 0; i < a.tensors.size(); ++i) EXPECT_EQ(a.tensors[i].bytes, b.tensors[i].bytes) << a.tensors[i].name;
  EXPECT_EQ(a.loss, b.loss);
  EXPECT_EQ(a.sparsity, b.sparsity);
  EXPECT_EQ(a.recovery_loss, b.recovery_loss);
  EXPECT_EQ(a.final_loss, b.final_loss);
  EXPECT_EQ(a.input_sha256, b.input_sha256);
  for (size_t i = 0; i < a.linears.size(); ++i) {
    EXPECT_EQ(a.linears[i].rate, b.linears[i].rate);
    EXPECT_EQ(a.linears[i].pruned, b.linears[i].pruned);
  }
}

TEST_F(EngineTest, LogitsAreHuggingFaces) {
  const storage::HostTensor ids = Golden("input_ids");
  TokenWindows text{.windows = 2, .length = 64, .ids = std::vector<int32_t>(128)};
  std::memcpy(text.ids.data(), ids.bytes.data(), 128 * sizeof(int32_t));
  const std::vector<float> logits = NewEngine()->Logits(checkpoint_->config(), *checkpoint_, text).value();

  const storage::HostTensor golden = Golden("logits");
  std::vector<float> expected(golden.bytes.size() / sizeof(float));
  std::memcpy(expected.data(), golden.bytes.data(), golden.bytes.size());
  ASSERT_EQ(logits.size(), expected.size());
  double worst = 0.0;
  for (size_t i = 0; i < logits.size(); ++i) worst = std::max(worst, std::abs(double{logits[i]} - expected[i]));
  std::printf("logits within %.1e\n", worst);
  EXPECT_LT(worst, 1e-4);
}

TEST_F(EngineTest, PrunesABlockToTheExactSparsity) {
  const auto engine = NewEngine();
  std::vector<std::string> stages;
  std::vector<double> sparsity;
  const BlockPruning pruning = engine
                                   ->Prune(Request(1),
                                           [&](const Progress& progress) {
                                             if (progress.step == 0) stages.push_back(std::string(progress.stage));
                                             if (progress.stage == "train" && progress.step > 0) {
                                               sparsity.push_back(progress.sparsity);
                                             }
                                             return true;
                                           })
                                   .value();
  EXPECT_THAT(stages, ElementsAre("load", "walk", "statistics", "train", "write"));
  // 12 samples: 6 passes make at least 64 steps.
  EXPECT_EQ(pruning.loss.size(), 72u);
  EXPECT_EQ(sparsity.size(), 72u);
  EXPECT_EQ(pruning.skipped_steps, 0);
  EXPECT_LT(pruning.final_loss, 0.2);
  EXPECT_EQ(engine->Cursor(), std::make_pair(std::string("books"), int64_t{2}));

  int64_t zeros = 0;
  int64_t removed = 0;
  int64_t weights = 0;
  for (const LinearAllocation& linear : pruning.linears) {
    zeros += linear.zeros;
    weights += linear.rows * linear.cols;
    for (int32_t k : linear.pruned) removed += k;
  }
  EXPECT_EQ(removed, weights / 2);
  EXPECT_EQ(zeros, weights / 2);

  // What is kept is the checkpoint's, bit for bit; what is not is +0; what is no linear is untouched.
  ASSERT_EQ(pruning.tensors.size(), checkpoint_->BlockTensors(1).size());
  int64_t changed = 0;
  for (const storage::HostTensor& tensor : pruning.tensors) {
    const storage::HostTensor dense = checkpoint_->Read(tensor.name).value();
    EXPECT_EQ(tensor.dtype, dense.dtype);
    EXPECT_EQ(tensor.shape, dense.shape);
    for (size_t i = 0; i + 1 < dense.bytes.size(); i += 2) {
      uint16_t before = 0;
      uint16_t after = 0;
      std::memcpy(&before, dense.bytes.data() + i, 2);
      std::memcpy(&after, tensor.bytes.data() + i, 2);
      if (before == after) continue;
      ASSERT_EQ(after, 0) << tensor.name;
      ASSERT_EQ(tensor.shape.size(), 2u) << tensor.name;
      ++changed;
    }
  }
  EXPECT_EQ(changed, weights / 2);
}

TEST_F(EngineTest, ThePaperPresetKeepsItsOwnCounts) {
  PruneRequest request = Request(0);
  request.options = {.preset = Preset::kPaper, .granularity = Granularity::kLayer};
  const BlockPruning pruning = NewEngine()->Prune(request, nullptr).value();
  EXPECT_EQ(pruning.loss.size(), 12u);
  for (const LinearAllocation& linear : pruning.linears) {
    const std::set<int32_t> counts(linear.pruned.begin(), linear.pruned.end());
    EXPECT_EQ(counts.size(), 1u) << linear.name;
    EXPECT_EQ(*counts.begin(), std::floor(linear.cols * double{linear.rate[0]} + 1.0 / 1024)) << linear.name;
  }
}

TEST_F(EngineTest, RecoveryTunesWhatEveryMethodKeeps) {
  const std::vector<BesaOptions> all = {{},
                                        {.preset = Preset::kPaper},
                                        {.method = Method::kMagnitude},
                                        {.method = Method::kWanda},
                                        {.method = Method::kWanda, .pattern = {.kept = 2, .of = 4}},
                                        {.method = Method::kSparseGpt},
                                        {.method = Method::kSparseGpt, .pattern = {.kept = 2, .of = 4}}};
  const auto engine = NewEngine();
  for (const BesaOptions& options : all) {
    PruneRequest request = Request(2);
    request.options = options;
    const BlockPruning before = engine->Prune(request, nullptr).value();
    request.options.recovery = {.epochs = 8, .batch_size = 4, .masks = RecoveryMasks::kFixed};
    std::vector<std::string> stages;
    double last_sparsity = 0.0;
    const BlockPruning after = engine
                                   ->Prune(request,
                                           [&](const Progress& progress) {
                                             if (progress.step == 0) stages.push_back(std::string(progress.stage));
                                             if (progress.stage == "recover") last_sparsity = progress.sparsity;
                                             return true;
                                           })
                                   .value();
    std::printf("loss %.4f, recovered %.4f\n", before.final_loss, after.final_loss);
    EXPECT_LT(after.final_loss, 0.8 * before.final_loss);
    EXPECT_THAT(stages, testing::IsSupersetOf({"statistics", "recover", "write"}));
    EXPECT_EQ(after.loss, before.loss);
    EXPECT_EQ(after.recovery_loss.size(), 24u);
    EXPECT_EQ(after.skipped_steps, 0);

    // The masks are the same, what is kept is not.
    int64_t zeros = 0;
    int64_t changed = 0;
    for (size_t i = 0; i < after.linears.size(); ++i) {
      EXPECT_EQ(after.linears[i].pruned, before.linears[i].pruned);
      EXPECT_EQ(after.linears[i].zeros, before.linears[i].zeros);
      zeros += after.linears[i].zeros;
    }
    EXPECT_NEAR(last_sparsity, static_cast<double>(zeros) / 393216, 1e-4);
    for (size_t i = 0; i < after.tensors.size(); ++i) {
      EXPECT_EQ(after.tensors[i].dtype, before.tensors[i].dtype);
      const auto* was = reinterpret_cast<const uint16_t*>(before.tensors[i].bytes.data());
      const auto* is = reinterpret_cast<const uint16_t*>(after.tensors[i].bytes.data());
      for (size_t j = 0; j < after.tensors[i].bytes.size() / 2; ++j) {
        ASSERT_EQ(is[j] == 0, was[j] == 0) << after.tensors[i].name << " " << j;
        changed += is[j] != was[j];
      }
    }
    EXPECT_GT(changed, 393216 / 3);
    ExpectSameBits(NewEngine()->Prune(request, nullptr).value(), after);
  }
}

TEST_F(EngineTest, RecoveryMayTakeTheDenseModelsActivationsInSomePasses) {
  const auto engine = NewEngine();
  CommittedSource committed(*checkpoint_);
  BesaOptions options = {.sparsity = 0.7, .recovery = {.epochs = 2, .batch_size = 4}};
  committed.Commit(engine->Prune(SequentialRequest(committed, options), nullptr).value(), "0");
  const BlockPruning without = engine->Prune(SequentialRequest(committed, options), nullptr).value();
  options.recovery.dense_every = 2;
  const BlockPruning with = engine->Prune(SequentialRequest(committed, options), nullptr).value();
  // The first of two passes is the same; in the second one the inputs are nearer to what made the reference.
  const auto pass = static_cast<std::ptrdiff_t>(with.recovery_loss.size() / 2);
  EXPECT_TRUE(std::equal(with.recovery_loss.begin(), with.recovery_loss.begin() + pass, without.recovery_loss.begin()));
  const auto second = [&](const BlockPruning& pruning) {
    return std::accumulate(pruning.recovery_loss.begin() + pass, pruning.recovery_loss.end(), 0.0);
  };
  std::printf("loss of the second pass %.4f, with dense inputs %.4f\n", second(without), second(with));
  EXPECT_LT(second(with), 0.9 * second(without));
}

TEST_F(EngineTest, SameInputsGiveTheSameBitsWithOrWithoutACursor) {
  const auto fresh = NewEngine();
  const BlockPruning expected = fresh->Prune(Request(3), nullptr).value();

  const auto walking = NewEngine();
  ASSERT_TRUE(walking->Prune(Request(1), nullptr).ok());
  EXPECT_EQ(walking->Cursor().second, 2);
  ExpectSameBits(walking->Prune(Request(3), nullptr).value(), expected);
  // Backwards: from the embeddings again.
  ExpectSameBits(walking->Prune(Request(3), nullptr).value(), expected);
}

// Whoever prunes the next block, too, takes over what looking ahead has seen of it.
TEST_F(EngineTest, LookingAheadGivesTheSameBitsWhereverItBegins) {
  const auto engine = NewEngine();
  const auto request = [&](int64_t block, Method method, bool lookahead = true) {
    PruneRequest asked = Request(block);
    asked.options = {.method = method, .recovery = {.epochs = 1, .batch_size = 4}, .lookahead = lookahead};
    return asked;
  };
  const auto expect_as_new = [&](const PruneRequest& asked) {
    ExpectSameBits(engine->Prune(asked, nullptr).value(), NewEngine()->Prune(asked, nullptr).value());
  };
  for (const Method method : {Method::kBesa, Method::kWanda, Method::kSparseGpt}) {
    expect_as_new(request(0, method));
    expect_as_new(request(1, method));
  }
  // By another method, with another loss, after a gap, in a block that was stopped before.
  expect_as_new(request(2, Method::kBesa));
  expect_as_new(request(3, Method::kWanda));
  expect_as_new(request(4, Method::kWanda, /*lookahead=*/false));
  expect_as_new(request(1, Method::kBesa));
  expect_as_new(request(3, Method::kBesa));
  for (absl::string_view stage : {"statistics", "lookahead", "train", "recover"}) {
    const auto stopped = engine->Prune(request(4, Method::kBesa), [&](const Progress& progress) {
      return progress.stage != stage || progress.step < 1;
    });
    EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled) << stage;
  }
  expect_as_new(request(4, Method::kBesa));
  // Behind the last block there is nothing.
  ExpectSameBits(engine->Prune(request(5, Method::kBesa), nullptr).value(),
                 NewEngine()->Prune(request(5, Method::kBesa, /*lookahead=*/false), nullptr).value());
}

// By one engine that keeps its activations, or by a new one each time.
// The survey against what it stands for: the model with that one block pruned, compared with the dense one.
TEST_F(EngineTest, ASurveyTellsHowFarPruningEachBlockAloneMovesThePredictions) {
  const auto engine = NewEngine();
  const TokenWindows text = Text(4, 64);
  const auto survey = engine->SurveyBlocks(
      {.config = &checkpoint_->config(), .dense = checkpoint_.get(), .windows = &text, .sparsity = 0.5}, nullptr);
  ASSERT_EQ(survey.status(), absl::OkStatus());
  ASSERT_EQ(survey->divergence.size(), static_cast<size_t>(checkpoint_->config().num_hidden_layers));
  for (const int64_t block : {0, 3, 5}) {
    PruneRequest request = Request(block);
    request.calibration = &text;
    request.options = {.method = Method::kWanda, .sparsity = 0.5};
    const auto pruning = engine->Prune(request, nullptr);
    ASSERT_EQ(pruning.status(), absl::OkStatus());
    EditedSource alone(*checkpoint_);
    for (const storage::HostTensor& tensor : pruning->tensors) alone.Replace(tensor.name) = tensor;
    const auto compared =
        engine->Compare(checkpoint_->config(), *checkpoint_, alone, text, std::nullopt, nullptr).value();
    const double surveyed = survey->divergence[static_cast<size_t>(block)];
    std::printf("block %d alone: KL %.5f surveyed, %.5f compared\n", static_cast<int>(block), surveyed,
                compared.kl_divergence);
    EXPECT_NEAR(surveyed, compared.kl_divergence, 1e-3 * compared.kl_divergence);
  }
}

TEST_F(EngineTest, ASurveyStopsWhenTheObserverSaysSo) {
  const TokenWindows text = Text(2, 32);
  const auto survey =
      NewEngine()->SurveyBlocks({.config = &checkpoint_->config(), .dense = checkpoint_.get(), .windows = &text},
                                [](const Progress& progress) { return progress.step < 2; });
  EXPECT_TRUE(absl::IsCancelled(survey.status())) << survey.status();
}

class SequentialTest : public EngineTest, public testing::WithParamInterface<BesaOptions> {};

TEST_P(SequentialTest, WhoeverGoesOnFromTheCommittedBlocksGetsTheSameBits) {
  const auto author = NewEngine();
  CommittedSource committed(*checkpoint_);
  for (int64_t block = 0; block < 3; ++block) {
    const PruneRequest request = SequentialRequest(committed, GetParam());
    const BlockPruning pruning = author->Prune(request, nullptr).value();
    ExpectSameBits(NewEngine()->Prune(request, nullptr).value(), pruning);
    EXPECT_EQ(author->Cursor(), std::make_pair(std::string("books"), block)) << "not beyond what is committed";
    committed.Commit(pruning, std::to_string(block));
  }
}

TEST_P(SequentialTest, ThroughBlocksThatNothingWasRemovedFromItIsTheIndependentSchedule) {
  CommittedSource dense(*checkpoint_);
  dense.Commit({}, "dense 0");
  dense.Commit({}, "dense 1");
  const BlockPruning sequential = NewEngine()->Prune(SequentialRequest(dense, GetParam()), nullptr).value();
  PruneRequest request = Request(2);
  request.options = GetParam();
  request.options.schedule = Schedule::kIndependent;
  ExpectSameBits(sequential, NewEngine()->Prune(request, nullptr).value());
}

TEST_P(SequentialTest, ActivationsThroughOtherCommittedBlocksAreNotUsed) {
  const auto engine = NewEngine();
  CommittedSource lost(*checkpoint_);
  CommittedSource kept(*checkpoint_);
  const BlockPruning first = engine->Prune(SequentialRequest(lost, GetParam()), nullptr).value();
  BesaOptions other = GetParam();
  other.sparsity = 0.4;
  kept.Commit(engine->Prune(SequentialRequest(kept, other), nullptr).value(), "0 of another attempt");
  lost.Commit(first, "0");
  ASSERT_TRUE(engine->Prune(SequentialRequest(lost, GetParam()), nullptr).ok());
  const PruneRequest request = SequentialRequest(kept, GetParam());
  ExpectSameBits(engine->Prune(request, nullptr).value(), NewEngine()->Prune(request, nullptr).value());
}

TEST_P(SequentialTest, StopsAndGoesOnLater) {
  CommittedSource committed(*checkpoint_);
  committed.Commit(NewEngine()->Prune(SequentialRequest(committed, GetParam()), nullptr).value(), "0");
  const PruneRequest request = SequentialRequest(committed, GetParam());
  const auto engine = NewEngine();
  for (absl::string_view stage : {"walk", "statistics", "write"}) {
    int calls = 0;
    const auto result = engine->Prune(request, [&](const Progress& progress) {
      EXPECT_LE(progress.step, progress.steps) << progress.stage;
      return progress.stage != stage || progress.step < 1 || ++calls > 1;
    });
    EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled) << stage;
  }
  ExpectSameBits(engine->Prune(request, nullptr).value(), NewEngine()->Prune(request, nullptr).value());
}

std::string NameOf(const testing::TestParamInfo<BesaOptions>& test) {
  const char* const methods[] = {"Besa", "Magnitude", "Wanda", "SparseGpt"};
  const bool dense = test.param.reference == Reference::kDenseStream;
  return std::string(methods[static_cast<int>(test.param.method)]) + (dense ? "DenseStream" : "PrunedStream") +
         (KeepsDenseInputs(test.param) ? "RecoveredOnBoth" : "") + (LooksAhead(test.param) ? "LookingAhead" : "");
}

INSTANTIATE_TEST_SUITE_P(
    Methods, SequentialTest,
    testing::Values(
        BesaOptions{.reference = Reference::kDenseStream},
        BesaOptions{.reference = Reference::kPrunedStream, .preset = Preset::kPaper},
        BesaOptions{.method = Method::kWanda, .reference = Reference::kPrunedStream},
        BesaOptions{.method = Method::kSparseGpt, .reference = Reference::kDenseStream},
        // Takes the dense model's activations in front of the block, too.
        BesaOptions{.method = Method::kWanda,
                    .schedule = Schedule::kSequential,
                    .recovery = {.epochs = 3, .batch_size = 4, .decay = 3.0, .dense_every = 2}},
        BesaOptions{.schedule = Schedule::kSequential, .recovery = {.epochs = 2, .batch_size = 4}, .lookahead = true}),
    NameOf);

TEST_F(EngineTest, TheDenseReferenceMakesGoodWhatEarlierBlocksLost) {
  CommittedSource committed(*checkpoint_);
  const auto engine = NewEngine();
  for (int block = 0; block < 2; ++block) {
    committed.Commit(engine->Prune(SequentialRequest(committed, {.sparsity = 0.7}), nullptr).value(),
                     std::to_string(block));
  }
  const double dense = engine->Prune(SequentialRequest(committed, {.sparsity = 0.7}), nullptr)->final_loss;
  const BesaOptions options = {.sparsity = 0.7, .reference = Reference::kPrunedStream};
  const double pruned = engine->Prune(SequentialRequest(committed, options), nullptr)->final_loss;
  std::printf("loss against the dense stream %.4f, against the dense block on the pruned stream %.4f\n", dense, pruned);
  EXPECT_GT(dense, 1.2 * pruned) << "it counts what the blocks before lost, too";
}

TEST_F(EngineTest, ASequentialRequestNamesTheCommittedBlocks) {
  const auto engine = NewEngine();
  CommittedSource committed(*checkpoint_);
  committed.Commit({}, "0");
  PruneRequest request = SequentialRequest(committed, {});
  request.pruned = nullptr;
  EXPECT_EQ(engine->Prune(request, nullptr).status().code(), absl::StatusCode::kInvalidArgument);
  request.pruned = &committed;
  request.committed.clear();
  EXPECT_THAT(std::string(engine->Prune(request, nullptr).status().message()), HasSubstr("committed: 0 blocks"));
  request.options.schedule = Schedule::kIndependent;
  EXPECT_EQ(engine->Prune(request, nullptr).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(EngineTest, ActivationsInHostMemoryGiveTheSameBits) {
  const auto host = NewEngine({.device = "cpu", .threads = 1, .activations = Placement::kHost});
  const auto device = NewEngine({.device = "cpu", .threads = 1, .activations = Placement::kDevice});
  // Batches that leave a smaller one over, several passes, a walk of two blocks, every kind of step.
  for (const int64_t block : {0, 1, 4}) {
    PruneRequest request = Request(block);
    request.options = {
        .batch_size = 5, .epochs = 3, .recovery = {.epochs = 2, .batch_size = 5}, .lookahead = block != 1};
    ExpectSameBits(host->Prune(request, nullptr).value(), device->Prune(request, nullptr).value());
  }
  CommittedSource committed(*checkpoint_);
  const RecoveryOptions on_both = {.epochs = 2, .batch_size = 5, .dense_every = 2};
  for (int block = 0; block < 3; ++block) {
    const PruneRequest request =
        SequentialRequest(committed, {.batch_size = 5, .recovery = block < 2 ? RecoveryOptions() : on_both});
    const BlockPruning expected = device->Prune(request, nullptr).value();
    ExpectSameBits(host->Prune(request, nullptr).value(), expected);
    committed.Commit(expected, std::to_string(block));
  }
}

// Counts what is read, and fails from some read on.
class CountingSource final : public storage::TensorSource {
 public:
  explicit CountingSource(const storage::TensorSource& base, int fails_from = 1 << 20)
      : base_(base), fails_from_(fails_from) {}

  absl::StatusOr<storage::TensorLocation> Find(absl::string_view name) const override { return base_.Find(name); }
  absl::StatusOr<storage::HostTensor> Read(absl::string_view name) const override {
    if (++reads_ >= fails_from_) return absl::UnavailableError("the store is away");
    return base_.Read(name);
  }
  int reads() const { return reads_; }

 private:
  const storage::TensorSource& base_;
  const int fails_from_;
  mutable std::atomic<int> reads_ = 0;
};

TEST_F(EngineTest, TheNextBlockIsReadMeanwhile) {
  const auto engine = NewEngine();
  const auto source = std::make_shared<CountingSource>(*checkpoint_);
  PruneRequest first = Request(0, *source);
  first.next = {{.block = 1, .tensors = checkpoint_->BlockTensors(1), .source = source}};
  ASSERT_TRUE(engine->Prune(first, nullptr).ok());
  const auto other = std::make_shared<CountingSource>(*checkpoint_);
  ExpectSameBits(engine->Prune(Request(1, *other), nullptr).value(), NewEngine()->Prune(Request(1), nullptr).value());
  EXPECT_EQ(other->reads(), 0) << "all of it had been read";

  // What was read ahead of something else is of no use.
  first = Request(2, *source);
  first.next = {{.block = 3, .tensors = checkpoint_->BlockTensors(3), .source = source}};
  ASSERT_TRUE(engine->Prune(first, nullptr).ok());
  PruneRequest elsewhere = Request(3, *other);
  elsewhere.stream_key = "another model";
  ExpectSameBits(engine->Prune(elsewhere, nullptr).value(), NewEngine()->Prune(Request(3), nullptr).value());
  EXPECT_GT(other->reads(), 0);
}

TEST_F(EngineTest, TheNextBlockIsLookedAtInWhatWasReadAhead) {
  const auto source = std::make_shared<CountingSource>(*checkpoint_);
  PruneRequest request = Request(1, *source);
  request.options.lookahead = true;
  request.next = {{.block = 2, .tensors = checkpoint_->BlockTensors(2), .source = source}};
  const auto engine = NewEngine();
  const BlockPruning expected = engine->Prune(request, nullptr).value();
  const int reads = source->reads();
  const size_t walked = 1 + checkpoint_->BlockTensors(0).size();
  EXPECT_EQ(static_cast<size_t>(reads), walked + 2 * request.next[0].tensors.size()) << "each tensor once";
  request.next.clear();
  ExpectSameBits(NewEngine()->Prune(request, nullptr).value(), expected);
  EXPECT_EQ(source->reads(), 2 * reads);
}

TEST_F(EngineTest, SeveralBlocksAreReadMeanwhileEachOnce) {
  const auto engine = NewEngine();
  const auto source = std::make_shared<CountingSource>(*checkpoint_);
  int reads = 0;
  for (int64_t block = 0; block < 4; ++block) {
    PruneRequest request = Request(block, *source);
    for (const int64_t next : {block + 1, block + 2}) {
      request.next.push_back({.block = next, .tensors = checkpoint_->BlockTensors(next), .source = source});
    }
    const BlockPruning pruning = engine->Prune(request, nullptr).value();
    if (block == 2) ExpectSameBits(pruning, NewEngine()->Prune(Request(block), nullptr).value());
    reads += static_cast<int>(request.block_tensors.size());
  }
  const int beyond = static_cast<int>(2 * checkpoint_->BlockTensors(4).size());
  // The embeddings, the four blocks, and what was read of the two behind them by now.
  EXPECT_GE(source->reads(), 1 + reads);
  EXPECT_LE(source->reads(), 1 + reads + beyond);
}

TEST_F(EngineTest, WhatCannotBeReadAheadIsReadWhenItIsNeeded) {
  const auto engine = NewEngine();
  PruneRequest first = Request(0);
  first.next = {{.block = 1,
                 .tensors = checkpoint_->BlockTensors(1),
                 .source = std::make_shared<CountingSource>(*checkpoint_, /*fails_from=*/3)}};
  ASSERT_TRUE(engine->Prune(first, nullptr).ok());
  ExpectSameBits(engine->Prune(Request(1), nullptr).value(), NewEngine()->Prune(Request(1), nullptr).value());
}

TEST_F(EngineTest, ACursorOfAnotherTextIsNotUsed) {
  const auto engine = NewEngine();
  ASSERT_TRUE(engine->Prune(Request(1), nullptr).ok());
  const TokenWindows other = Text(9, 40);
  PruneRequest request = Request(2);
  request.calibration = &other;
  request.stream_key = "other text";
  const BlockPruning pruning = engine->Prune(request, nullptr).value();
  ExpectSameBits(NewEngine()->Prune(request, nullptr).value(), pruning);
}

TEST_F(EngineTest, StopsWhenTheObserverSaysSoAndGoesOnLater) {
  const auto engine = NewEngine();
  for (absl::string_view stage : {"load", "walk", "statistics", "train", "write"}) {
    int calls = 0;
    const auto result = engine->Prune(Request(2), [&](const Progress& progress) {
      return progress.stage != stage || progress.step < 1 || ++calls > 1;
    });
    EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled) << stage;
  }
  ExpectSameBits(engine->Prune(Request(2), nullptr).value(), NewEngine()->Prune(Request(2), nullptr).value());
}

TEST_F(EngineTest, BadWeightsAreNamed) {
  EditedSource source(*checkpoint_);
  const auto q = source.Edit("model.layers.2.self_attn.q_proj.weight");
  for (int i = 0; i < 17; ++i) q[static_cast<size_t>(i)] = kNaN;
  const auto engine = NewEngine();
  // In the block itself, and in one that is walked through.
  for (int64_t block : {2, 4}) {
    const absl::Status status = engine->Prune(Request(block, source), nullptr).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(status.message(), "block 2, self_attn.q_proj: 17 weights are NaN or infinite");
    EXPECT_EQ(GetErrorInfo(status)->metadata.at("linear"), "self_attn.q_proj");
  }
}

TEST_F(EngineTest, BadActivationsAreNamed) {
  EditedSource source(*checkpoint_);
  for (uint16_t& weight : source.Edit("model.layers.2.mlp.up_proj.weight")) weight = kHuge;
  const auto engine = NewEngine();
  for (int64_t block : {2, 4}) {
    const absl::Status status = engine->Prune(Request(block, source), nullptr).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("block 2, mlp.down_proj: "));
    EXPECT_THAT(std::string(status.message()), HasSubstr("values it is given are NaN or infinite"));
  }
}

TEST_F(EngineTest, ALyingCheckpointIsRefused) {
  EditedSource source(*checkpoint_);
  source.Replace("model.layers.0.mlp.up_proj.weight").shape = {192, 512};
  const absl::Status status = NewEngine()->Prune(Request(0, source), nullptr).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("model.layers.0.mlp.up_proj.weight: shape [192, 512]"));
}

TEST_F(EngineTest, TooLittleMemoryIsRefusedWithTheSizes) {
  const auto engine = NewEngine({.device = "cpu", .threads = 1, .memory_limit = 1 << 20});
  const absl::Status status = engine->Prune(Request(0), nullptr).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("block 0: needs "));
  EXPECT_THAT(std::string(status.message()), HasSubstr("1.0 MiB are free"));
  EXPECT_EQ(engine->Perplexity(checkpoint_->config(), *checkpoint_, calibration_, {}, nullptr).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(EngineTest, SenselessRequestsAreRefused) {
  const auto engine = NewEngine();
  PruneRequest request = Request(0);
  request.options.sparsity = 1.2;
  EXPECT_THAT(std::string(engine->Prune(request, nullptr).status().message()), HasSubstr("sparsity: 1.2"));
  request = Request(6);
  EXPECT_THAT(std::string(engine->Prune(request, nullptr).status().message()), HasSubstr("block: 6"));
  TokenWindows windows = calibration_;
  windows.ids[100] = 4096;
  request = Request(0);
  request.calibration = &windows;
  request.stream_key = "bad id";
  EXPECT_THAT(std::string(engine->Prune(request, nullptr).status().message()),
              HasSubstr("token id 4096 of window 2 is not in the vocabulary of 4096"));
  windows.length = 1;
  EXPECT_THAT(std::string(engine->Prune(request, nullptr).status().message()), HasSubstr("calibration.length: 1"));
}

TEST_F(EngineTest, ADeviceThatIsNotThereIsNeverReplaced) {
  EXPECT_EQ(Engine::Create({.device = "tpu"}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Engine::Create({.device = "cuda:99"}).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(EngineTest, NumericsClassNamesWhatResultsDependOn) {
  const std::string numerics = NewEngine()->NumericsClass({});
  EXPECT_THAT(numerics, HasSubstr("cpu; "));
  EXPECT_THAT(numerics, HasSubstr("float32"));
  EXPECT_THAT(numerics, HasSubstr("threads 1"));
  EXPECT_NE(numerics, NewEngine()->NumericsClass(ComputeType::kBFloat16));
}

TEST_F(EngineTest, BFloat16PrunesNearlyAsWell) {
  PruneRequest request = Request(1);
  const double float32 = NewEngine()->Prune(request, nullptr)->final_loss;
  request.compute = ComputeType::kBFloat16;
  request.stream_key = "bfloat16";
  const double bfloat16 = NewEngine()->Prune(request, nullptr)->final_loss;
  std::printf("final loss: float32 %.5f, bfloat16 %.5f\n", float32, bfloat16);
  EXPECT_NEAR(bfloat16 / float32, 1.0, 0.03);
}

}  // namespace
}  // namespace besa::pruner
