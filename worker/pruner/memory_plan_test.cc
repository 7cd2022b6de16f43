// The plan against real peaks: what LibTorch's CPU allocator and the tensors as read took at most.
#include "cost/memory_plan.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <latch>
#include <new>
#include <random>

#include "storage/base/format_bytes.h"
#include "worker/pruner/block_shape.h"
#include "worker/pruner/errors.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {

using cost::ComputePlan;
using cost::MemoryPlan;

std::atomic<int64_t> taken = 0;
std::atomic<int64_t> peak = 0;

void Count(int64_t bytes) {
  const int64_t now = taken += bytes;
  int64_t before = peak;
  while (now > before && !peak.compare_exchange_weak(before, now)) {
  }
}

namespace {

// LibTorch's own way to allocate, counted.
class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* pointer = bytes == 0 ? nullptr : c10::alloc_cpu(bytes);
    if (pointer != nullptr) Count(static_cast<int64_t>(malloc_usable_size(pointer)));
    return {pointer, pointer, &CountingAllocator::Free, at::Device(at::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &CountingAllocator::Free; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }

 private:
  static void Free(void* pointer) {
    if (pointer == nullptr) return;
    Count(-static_cast<int64_t>(malloc_usable_size(pointer)));
    c10::free_cpu(pointer);
  }
};

// Bytes that `operation` takes at its peak beyond what was taken before.
template <typename Operation>
int64_t PeakOf(const Operation& operation) {
  static CountingAllocator counting;
  c10::SetCPUAllocator(&counting, /*priority=*/100);
  const int64_t before = taken;
  peak = before;
  operation();
  return peak - before;
}

// A model of random weights, made as they are read.
class RandomModel final : public storage::TensorSource {
 public:
  explicit RandomModel(storage::ModelConfig config) : config_(std::move(config)) {}

  absl::StatusOr<storage::TensorLocation> Find(absl::string_view) const override {
    return absl::UnimplementedError("no files");
  }
  absl::StatusOr<storage::HostTensor> Read(absl::string_view name) const override {
    storage::HostTensor tensor{.name = std::string(name), .dtype = storage::DType::kF32, .shape = Shape(name)};
    int64_t elements = 1;
    for (int64_t size : tensor.shape) elements *= size;
    tensor.bytes.resize(static_cast<size_t>(elements) * 4);
    std::minstd_rand random(static_cast<uint32_t>(name.size()));
    auto* values = reinterpret_cast<float*>(tensor.bytes.data());
    for (int64_t i = 0; i < elements; ++i) {
      values[i] = tensor.shape.size() == 1 ? 1.0f : static_cast<float>(random() % 2000) / 20000.0f - 0.05f;
    }
    return tensor;
  }

  std::vector<std::string> BlockTensors(int64_t block) const {
    std::vector<std::string> names;
    for (const auto& [name, shape] : storage::BlockTensorShapes(config_, block)) names.push_back(name);
    return names;
  }

 private:
  std::vector<int64_t> Shape(absl::string_view name) const {
    for (int64_t block = 0; block < config_.num_hidden_layers; ++block) {
      const auto shapes = storage::BlockTensorShapes(config_, block);
      if (const auto found = shapes.find(std::string(name)); found != shapes.end()) return found->second;
    }
    return storage::OtherTensorShapes(config_).at(std::string(name));
  }

  storage::ModelConfig config_;
};

// Says when as many tensors were read as a block has.
class AwaitedModel final : public storage::TensorSource {
 public:
  AwaitedModel(const RandomModel& model, int64_t tensors) : model_(model), left_(tensors) {}

  absl::StatusOr<storage::TensorLocation> Find(absl::string_view name) const override { return model_.Find(name); }
  absl::StatusOr<storage::HostTensor> Read(absl::string_view name) const override {
    auto tensor = model_.Read(name);
    left_.count_down();
    return tensor;
  }
  void Await() const { left_.wait(); }

 private:
  const RandomModel& model_;
  mutable std::latch left_;
};

struct Case {
  const char* name;
  storage::ModelConfig config;
  int64_t samples;
  int64_t length;
  BesaOptions options;
  ComputeType compute = ComputeType::kFloat32;
  Placement activations = Placement::kDevice;
};

storage::ModelConfig Config(int64_t hidden, int64_t intermediate, int64_t heads, int64_t kv_heads, int64_t vocab) {
  return {.architecture = "LlamaForCausalLM",
          .hidden_size = hidden,
          .intermediate_size = intermediate,
          .num_hidden_layers = 2,
          .num_attention_heads = heads,
          .num_key_value_heads = kv_heads,
          .head_dim = hidden / heads,
          .vocab_size = vocab,
          .max_position_embeddings = 4096,
          .rms_norm_eps = 1e-5,
          .rope_theta = 10000.0,
          .tie_word_embeddings = true};
}

storage::ModelConfig OfFourBlocks(storage::ModelConfig config) {
  config.num_hidden_layers = 4;
  return config;
}

// The same with every trait that takes memory.
storage::ModelConfig WithTraits(storage::ModelConfig config, int64_t window) {
  config.qkv_bias = config.attention_out_bias = config.mlp_bias = config.qk_norm = true;
  config.sliding_window = window;
  config.windowed.assign(static_cast<size_t>(config.num_hidden_layers), true);
  return config;
}

class MemoryPlanTest : public testing::TestWithParam<Case> {};

TEST_P(MemoryPlanTest, CoversThePeakAndLittleMore) {
  const Case& test = GetParam();
  const RandomModel model(test.config);
  TokenWindows text{.windows = test.samples, .length = test.length};
  for (int64_t i = 0; i < text.windows * text.length; ++i) {
    text.ids.push_back(static_cast<int32_t>(i * 7919 % test.config.vocab_size));
  }
  const auto expect = [&](const char* what, const MemoryPlan& plan, int64_t took) {
    const double ratio = static_cast<double>(plan.Total()) / static_cast<double>(took);
    std::printf("%s, %s: planned %s, took %s (ratio %.2f): %s\n", test.name, what, FormatBytes(plan.Total()).c_str(),
                FormatBytes(took).c_str(), ratio, plan.Describe().c_str());
    EXPECT_GE(ratio, 1.0);
    EXPECT_LE(ratio, 1.3);
  };
  const ComputePlan compute = {.cuda = false, .compute = test.compute, .activations = test.activations};
  const BesaOptions options = ResolveOptions(test.options, test.config, test.samples);
  const bool sequential = options.schedule == Schedule::kSequential;
  const std::vector<std::string> tensors = model.BlockTensors(1);
  const auto ahead = std::make_shared<AwaitedModel>(model, std::ssize(tensors));
  PruneRequest request = {.config = &test.config,
                          .dense = &model,
                          .pruned = sequential ? &model : nullptr,
                          .committed = std::vector<std::string>(sequential ? 1 : 0, "block 0"),
                          .block_tensors = model.BlockTensors(1),
                          .stream_key = "random",
                          .calibration = &text,
                          .block = 1,
                          .next = {{.block = 1, .tensors = tensors, .source = ahead}},
                          .options = test.options,
                          .compute = test.compute};
  if (options.lookahead) {
    const std::vector<std::string> last = model.BlockTensors(3);
    request.next = {{.block = 2, .tensors = model.BlockTensors(2), .source = std::make_shared<RandomModel>(model)},
                    {.block = 3, .tensors = last, .source = ahead}};
  }

  const auto engine = Engine::Create({.device = "cpu", .threads = 1, .activations = test.activations}).value();
  // The next block has been read by the time that it gets tight.
  const Observer observer = [&](const Progress& progress) {
    if (progress.stage == "statistics" && !request.next.empty()) ahead->Await();
    return true;
  };
  // What recovery keeps is there while the next block is solved.
  const int blocks = options.recovery.given() && options.method != Method::kBesa ? 2 : 1;
  const int64_t pruning = PeakOf([&] {
    // A worker may be writing the block before.
    std::vector<storage::HostTensor> written;
    if (!sequential) {
      for (const std::string& name : tensors) written.push_back(model.Read(name).value());
    }
    for (int i = 0; i < blocks; ++i) {
      // The first one gave the second what it had read ahead.
      if (i > 0) request.next.clear();
      EXPECT_EQ(engine->Prune(request, observer).status(), absl::OkStatus());
    }
  });
  expect("pruning", PlanPruning(test.config, test.samples, test.length, options, compute), pruning);

  // A fresh engine: without activations of the pruning.
  const auto fresh = Engine::Create({.device = "cpu", .threads = 1}).value();
  const int64_t evaluation = PeakOf([&] {
    EXPECT_EQ(fresh->Perplexity(test.config, model, text, test.compute, nullptr).status(), absl::OkStatus());
  });
  expect("evaluation", PlanEvaluation(test.config, test.samples, test.length, compute), evaluation);

  const int64_t comparison = PeakOf([&] {
    EXPECT_EQ(fresh->Compare(test.config, model, model, text, test.compute, nullptr).status(), absl::OkStatus());
  });
  expect("comparison", PlanComparison(test.config, test.samples, test.length, compute), comparison);

  const int64_t survey = PeakOf([&] {
    const SurveyRequest look = {.config = &test.config, .dense = &model, .windows = &text, .compute = test.compute};
    EXPECT_EQ(fresh->SurveyBlocks(look, nullptr).status(), absl::OkStatus());
  });
  expect("survey", PlanSurvey(test.config, test.samples, test.length, compute), survey);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, MemoryPlanTest,
    testing::Values(
        // Methods that sort and solve.
        Case{"magnitude", Config(1024, 2816, 16, 4, 1000), 8, 32, {.method = Method::kMagnitude}},
        Case{"wanda", Config(1024, 2816, 16, 4, 1000), 8, 32, {.method = Method::kWanda}},
        Case{"wanda pattern",
             Config(1024, 2816, 16, 4, 1000),
             8,
             32,
             {.method = Method::kWanda, .pattern = {.kept = 2, .of = 4}}},
        Case{"sparsegpt", Config(1024, 2816, 16, 4, 1000), 8, 32, {.method = Method::kSparseGpt}},
        Case{"sparsegpt in bfloat16",
             Config(256, 2816, 4, 2, 500),
             32,
             256,
             {.method = Method::kSparseGpt},
             ComputeType::kBFloat16},
        // Weights dominate.
        Case{"wide", Config(1024, 2816, 16, 4, 1000), 8, 32, {.batch_size = 1, .epochs = 1}},
        // Activations do.
        Case{"many samples", Config(256, 704, 4, 2, 500), 64, 512, {.batch_size = 1, .epochs = 1}},
        // The training step does.
        Case{"large batch", Config(256, 704, 4, 2, 500), 16, 512, {.batch_size = 16, .epochs = 1}},
        Case{"wanda pattern with recovery",
             Config(1024, 2816, 16, 4, 1000),
             8,
             32,
             {.method = Method::kWanda, .pattern = {.kept = 2, .of = 4}, .recovery = {.epochs = 1, .batch_size = 4}}},
        // Recovery does.
        Case{"wide with recovery",
             Config(1024, 2816, 16, 4, 1000),
             8,
             32,
             {.batch_size = 1, .epochs = 1, .recovery = {.epochs = 1, .batch_size = 4}}},
        Case{"recovery in large batches",
             Config(256, 704, 4, 2, 500),
             16,
             512,
             {.batch_size = 1, .epochs = 1, .recovery = {.epochs = 1, .batch_size = 16}}},
        Case{"recovery in bfloat16",
             Config(512, 1408, 8, 4, 1000),
             16,
             256,
             {.batch_size = 4, .epochs = 1, .recovery = {.epochs = 1, .batch_size = 4}},
             ComputeType::kBFloat16},
        Case{"wanda with recovery",
             Config(1024, 2816, 16, 4, 1000),
             8,
             32,
             {.method = Method::kWanda, .recovery = {.epochs = 1, .batch_size = 4}}},
        Case{"sparsegpt with recovery",
             Config(512, 1408, 8, 4, 1000),
             8,
             32,
             {.method = Method::kSparseGpt, .recovery = {.epochs = 1, .batch_size = 4}}},
        // Two streams are held.
        Case{"sequential",
             Config(256, 704, 4, 2, 500),
             64,
             512,
             {.schedule = Schedule::kSequential, .batch_size = 1, .epochs = 1}},
        // Three are.
        Case{"recovery on both streams",
             Config(256, 704, 4, 2, 500),
             64,
             512,
             {.schedule = Schedule::kSequential,
              .batch_size = 1,
              .epochs = 1,
              .recovery = {.epochs = 2, .batch_size = 4, .dense_every = 2}}},
        // Through the next block, while the one behind it is read.
        Case{"looking ahead",
             OfFourBlocks(Config(256, 704, 4, 2, 500)),
             64,
             512,
             {.batch_size = 2, .epochs = 1, .recovery = {.epochs = 1, .batch_size = 4}, .lookahead = true}},
        Case{"looking ahead with all that recovery knows",
             OfFourBlocks(Config(256, 704, 4, 2, 500)),
             64,
             512,
             {.method = Method::kWanda,
              .schedule = Schedule::kSequential,
              .recovery = {.epochs = 2, .batch_size = 4, .dense_every = 2},
              .lookahead = true}},
        Case{"sequential with a large vocabulary",
             Config(128, 352, 2, 1, 40000),
             64,
             256,
             {.schedule = Schedule::kSequential, .batch_size = 1, .epochs = 1}},
        Case{"sequential on its own reference",
             Config(256, 704, 4, 2, 500),
             64,
             512,
             {.schedule = Schedule::kSequential, .reference = Reference::kPrunedStream, .batch_size = 1, .epochs = 1}},
        // In two batches each at a time.
        Case{"activations in host memory",
             Config(256, 704, 4, 2, 500),
             64,
             512,
             {.batch_size = 8, .epochs = 1},
             ComputeType::kFloat32,
             Placement::kHost},
        // The embeddings do.
        Case{"large vocabulary", Config(128, 352, 2, 1, 60000), 4, 64, {.batch_size = 1, .epochs = 1}},
        Case{
            "bfloat16", Config(512, 1408, 8, 4, 1000), 16, 256, {.batch_size = 4, .epochs = 1}, ComputeType::kBFloat16},
        Case{"traits", WithTraits(Config(256, 704, 4, 2, 500), 100), 16, 512, {.batch_size = 8, .epochs = 1}},
        Case{"traits in bfloat16",
             WithTraits(Config(256, 704, 4, 2, 500), 100),
             16,
             512,
             {.batch_size = 8, .epochs = 1},
             ComputeType::kBFloat16}),
    [](const auto& test) {
      std::string name = test.param.name;
      std::replace(name.begin(), name.end(), ' ', '_');
      return name;
    });

TEST(MemoryPlan, PlansEveryMethodOnCuda) {
  const storage::ModelConfig config = Config(512, 1408, 8, 4, 1000);
  for (const Method method : {Method::kBesa, Method::kMagnitude, Method::kWanda, Method::kSparseGpt}) {
    const BesaOptions options = ResolveOptions({.method = method}, config, 128);
    const ComputePlan compute = {.cuda = true, .compute = ComputeType::kBFloat16};
    const int64_t total = PlanPruning(config, 128, 512, options, compute).Total();
    EXPECT_GT(total, 2 * 128 * 512 * 512 * 2);
    const BesaOptions recovery = ResolveOptions({.method = method, .recovery = {.epochs = 1}}, config, 128);
    EXPECT_GT(PlanPruning(config, 128, 512, recovery, compute).Total(),
              total + 12 * BlockShape::Of(config, 0).TotalWeights());
  }
}

TEST(MemoryPlan, ARankTakesWhatAnEngineAloneTakesForItsShare) {
  const storage::ModelConfig config = Config(512, 1408, 8, 4, 1000);
  for (const bool cuda : {false, true}) {
    const auto plan = [&](int64_t samples, int64_t batch, int64_t ranks) {
      const BesaOptions options =
          ResolveOptions({.batch_size = batch, .recovery = {.epochs = 1, .batch_size = batch}}, config, samples, ranks);
      return PlanPruning(config, samples, 512, options, {.cuda = cuda, .ranks = ranks}).Total();
    };
    EXPECT_EQ(plan(128, 8, 4), plan(32, 2, 1));
    // The largest share.
    EXPECT_EQ(plan(33, 3, 4), plan(9, 1, 1));
    EXPECT_LT(plan(128, 8, 4), plan(128, 8, 1));
  }
}

// The figures of docs/benchmarks.md are held against real ones by besa-bench.
TEST(MemoryPlan, ActivationsInHostMemoryMakeRoomOnAGpu) {
  const storage::ModelConfig config = Config(8192, 28672, 64, 8, 32000);
  const BesaOptions options = ResolveOptions({}, config, 128);
  const auto total = [&](Placement activations) {
    return PlanPruning(config, 128, 2048, options,
                       {.cuda = true, .compute = ComputeType::kBFloat16, .activations = activations})
        .Total();
  };
  const int64_t stream = int64_t{128} * 2048 * 8192 * 2;
  EXPECT_LT(total(Placement::kHost), total(Placement::kDevice) - 2 * stream + stream / 4);
  EXPECT_LT(total(Placement::kHost), int64_t{20} << 30);
  const ComputePlan cuda = {.cuda = true, .compute = ComputeType::kBFloat16};
  EXPECT_EQ(cost::HostActivations(config, 128, 2048, {}, cuda), 2 * stream);
  const BesaOptions with_dense_inputs = {.schedule = Schedule::kSequential,
                                         .recovery = {.epochs = 12, .dense_every = 3}};
  EXPECT_EQ(cost::HostActivations(config, 128, 2048, with_dense_inputs, cuda), 3 * stream);
  EXPECT_EQ(cost::HostActivations(config, 128, 2048, {.lookahead = true}, cuda), 3 * stream);
}

TEST(MemoryPlan, DescribesItsPartsLargestFirst) {
  const MemoryPlan plan = {.parts = {{"weights", 3 << 20}, {"activations", int64_t{5} << 30}}};
  EXPECT_EQ(plan.Describe(), "activations 5.0 GiB, weights 3.0 MiB");
}

}  // namespace
}  // namespace besa::pruner

// Everything else is counted where it comes from: tensors as read are in the memory of std::vector.
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  void* pointer = std::malloc(bytes);
  if (pointer != nullptr) besa::pruner::Count(static_cast<int64_t>(malloc_usable_size(pointer)));
  return pointer;
}
void* operator new(size_t bytes) {
  void* pointer = operator new(bytes, std::nothrow);
  if (pointer == nullptr) throw std::bad_alloc();
  return pointer;
}
void operator delete(void* pointer) noexcept {
  if (pointer != nullptr) besa::pruner::Count(-static_cast<int64_t>(malloc_usable_size(pointer)));
  std::free(pointer);
}
void operator delete(void* pointer, size_t) noexcept { operator delete(pointer); }
