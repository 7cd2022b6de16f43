// The forward pass against Hugging Face's activations, and the fast path's gradient against autograd.
#include "worker/pruner/llama_block.h"

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "worker/pruner/autograd_twin.h"
#include "worker/pruner/block_trainer.h"
#include "worker/pruner/golden.h"
#include "worker/pruner/importance.h"

namespace besa::pruner {
namespace {

void ExpectHiddenStates(const at::TensorOptions& options, double tolerance) {
  const Tensors model = ReadTensors("books-llama-3m/model.safetensors");
  const Tensors golden = ReadTensors("golden/forward.safetensors");
  const LlamaBlock block(SmallShape(), 64, options);
  at::Tensor x = golden.at("hidden.0").to(options);
  for (int i = 0; i < 6; ++i) {
    x = block.Forward(x, SmallBlock(model, i, options), nullptr);
    const double difference = MaxDifference(x, golden.at("hidden." + std::to_string(i + 1)));
    std::printf("hidden.%d within %.1e\n", i + 1, difference);
    EXPECT_LT(difference, tolerance);
  }
}

TEST(LlamaBlock, HiddenStatesOfHuggingFaceInFloat64) { ExpectHiddenStates(at::kDouble, 1e-5); }
TEST(LlamaBlock, HiddenStatesOfHuggingFaceInFloat32) { ExpectHiddenStates(at::kFloat, 1e-4); }
TEST(LlamaBlock, HiddenStatesOfHuggingFaceInFloat32OnCuda) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  ExpectHiddenStates(at::TensorOptions(at::kCUDA).dtype(at::kFloat), 1e-4);
}

TEST(LlamaBlock, InputStatisticsOfTheGoldenBlock) {
  const Tensors model = ReadTensors("books-llama-3m/model.safetensors");
  const Tensors golden = ReadTensors("golden/besa-block.safetensors");
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    InputStatistics statistics(SmallShape(), type);
    const LlamaBlock block(SmallShape(), 64, type);
    const BlockWeights weights = SmallBlock(model, 2, type);
    for (int sample = 0; sample < 8; sample += 2) {
      BlockState state;
      block.Forward(golden.at("x").narrow(0, sample, 2).to(type), weights, &state);
      statistics.Add(state);
    }
    for (Linear linear : kAllLinears) {
      EXPECT_LT(MaxRelativeDifference(statistics.sums(GroupOf(linear)),
                                      golden.at(std::string(LinearName(linear)) + ".sum_of_squares")),
                1e-5)
          << LinearName(linear);
    }
    if (type != at::kDouble) continue;
    const auto orders = RankLinears(weights, statistics, 8);
    for (Linear linear : kAllLinears) {
      const at::Tensor rank = at::argsort(orders[linear].to(at::kLong), /*stable=*/true, 1, /*descending=*/false);
      EXPECT_EQ(MaxDifference(rank, golden.at(std::string(LinearName(linear)) + ".rank")), 0.0) << LinearName(linear);
    }
  }
}

// Random weights of odd shape, where every size differs from every other.
BlockWeights RandomBlock(const BlockShape& shape) {
  BlockWeights weights = BlockWeights::AllocateLinears(shape, at::kDouble);
  weights.input_norm = at::randn({shape.hidden}, at::kDouble);
  weights.post_attention_norm = at::randn({shape.hidden}, at::kDouble);
  for (at::Tensor& group : weights.groups) group.copy_(at::randn(group.sizes(), at::kDouble)).mul_(0.2);
  for (int group = 0; group < kGroups; ++group) {
    if (shape.HasBias(Group(group))) weights.biases[group] = at::randn({shape.GroupRows(Group(group))}, at::kDouble);
  }
  if (shape.qk_norm) weights.qk_norm = at::randn({shape.heads + shape.kv_heads, shape.head_dim}, at::kDouble);
  return weights;
}

BlockShape OddShape() {
  return {.hidden = 40,
          .intermediate = 112,
          .heads = 6,
          .kv_heads = 2,
          .head_dim = 12,
          .rms_norm_eps = 1e-5,
          .rope_theta = 500.0};
}

// Of every family, and more than any: each trait by itself and all at once.
struct Variant {
  const char* name;
  BlockShape shape;
  AllocationOptions options = {.sparsity = 0.6, .granularity = Granularity::kRow, .prior_sigma = 0.08};
};

Variant With(const char* name, const std::function<void(BlockShape&)>& change) {
  Variant variant = {.name = name, .shape = OddShape()};
  change(variant.shape);
  return variant;
}

// Long enough to have fast, slow and mixed frequencies.
constexpr storage::RopeScaling kLlama3 = {.kind = storage::RopeScaling::Kind::kLlama3,
                                          .factor = 8.0,
                                          .low_freq_factor = 1.0,
                                          .high_freq_factor = 4.0,
                                          .original_context = 64};

class FastPath : public testing::TestWithParam<Variant> {
 protected:
  // Random weights and inputs of the variant's shape, in float64, and what the method starts from.
  struct Inputs {
    explicit Inputs(const BlockShape& shape)
        : weights(RandomBlock(shape)),
          x(at::randn({3, 19, shape.hidden}, at::kDouble)),
          block(shape, 19, at::kDouble),
          statistics(shape, at::kDouble) {
      BlockState state;
      reference = block.Forward(x, weights, &state);
      statistics.Add(state);
      orders = RankLinears(weights, statistics, 3);
      for (Linear linear : kAllLinears) {
        ranks[linear] = TwinRank(weights.linear(linear), statistics.sums(GroupOf(linear)), 3);
      }
    }

    BlockWeights weights;
    at::Tensor x;
    LlamaBlock block;
    InputStatistics statistics;
    at::Tensor reference;
    std::array<at::Tensor, kLinears> orders;
    std::array<at::Tensor, kLinears> ranks;
  };

  void SetUp() override {
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    generator.set_current_seed(7);
  }
};

TEST_P(FastPath, GradientIsAutogradsInFloat64) {
  const AllocationOptions& options = GetParam().options;
  const auto [weights, x, block, statistics, reference, orders, ranks] = Inputs(GetParam().shape);
  EXPECT_LT(MaxRelativeDifference(reference, TwinBlock(x, weights)), 1e-13);

  BlockTrainer trainer(block, weights, orders, weights.WithOwnLinears(), options, 5.0);
  AutogradTwin twin(weights, ranks, options, 5.0);
  for (int step = 0; step < 3; ++step) {
    at::Tensor loss;
    Allocation::Rates rates;
    const at::Tensor gradient = trainer.Gradient({x, reference}, loss, rates).clone();
    const at::Tensor record = trainer.Step({x, reference});
    const AutogradTwin::Step expected = twin.Train(x, reference);
    EXPECT_EQ(record[StepRecord::kLoss].item<double>(), loss.item<double>());
    EXPECT_NEAR(record[StepRecord::kLoss].item<double>(), expected.loss, 1e-12);
    EXPECT_NEAR(record[StepRecord::kSparsity].item<double>(), expected.sparsity, 1e-12);
    EXPECT_NEAR(record[StepRecord::kD].item<double>(), expected.d, 1e-12);
    double worst = 0.0;
    for (Linear linear : kAllLinears) {
      worst = std::max(
          worst, MaxRelativeDifference(trainer.allocation().GroupsOf(linear, gradient), expected.gradient[linear]));
    }
    std::printf("step %d: gradient within %.1e\n", step, worst);
    EXPECT_LT(worst, 1e-12);
  }
}

TEST_P(FastPath, GradientOfTheInputIsAutograds) {
  const BlockShape& shape = GetParam().shape;
  const BlockWeights weights = RandomBlock(shape);
  const LlamaBlock block(shape, 19, at::kDouble);
  const at::Tensor x = at::randn({3, 19, shape.hidden}, at::kDouble).requires_grad_();
  const at::Tensor gradient_y = at::randn(x.sizes(), at::kDouble);
  TwinBlock(x, weights).mul(gradient_y).sum().backward();
  BlockState state;
  block.Forward(x.detach(), weights, &state);
  block.BackwardToInput(gradient_y, x.detach(), weights, state);
  EXPECT_LT(MaxRelativeDifference(gradient_y, x.grad()), 1e-13);
}

TEST_P(FastPath, LookingAheadItIsAutogradsThroughTheNextBlock) {
  const AllocationOptions& options = GetParam().options;
  const auto [weights, x, block, statistics, reference, orders, ranks] = Inputs(GetParam().shape);
  const BlockWeights next = RandomBlock(GetParam().shape);
  const at::Tensor next_reference = block.Forward(reference, next, nullptr);

  BlockTrainer trainer(block, weights, orders, weights.WithOwnLinears(), options, 5.0, &next);
  AutogradTwin twin(weights, ranks, options, 5.0);
  for (int step = 0; step < 3; ++step) {
    at::Tensor loss;
    Allocation::Rates rates;
    const at::Tensor gradient = trainer.Gradient({x, reference, next_reference}, loss, rates).clone();
    trainer.Step({x, reference, next_reference});
    const AutogradTwin::Step expected = twin.Train(x, reference, &next, next_reference);
    EXPECT_NEAR(loss.item<double>(), expected.loss, 1e-12);
    for (Linear linear : kAllLinears) {
      EXPECT_LT(MaxRelativeDifference(trainer.allocation().GroupsOf(linear, gradient), expected.gradient[linear]),
                1e-12)
          << LinearName(linear) << ", step " << step;
    }
  }
}

// Forward and backward on a GPU against float64 on the CPU: explicit attention (float32), FlashAttention (bfloat16).
TEST_P(FastPath, OnCudaAsOnTheCpu) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  BlockShape shape = GetParam().shape;
  shape.head_dim = 16;  // FlashAttention wants multiples of 8.
  const BlockWeights weights = RandomBlock(shape);
  const at::Tensor x = at::randn({3, 19, shape.hidden}, at::kDouble);
  const at::Tensor gradient_y = at::randn(x.sizes(), at::kDouble);
  const auto run = [&](const at::TensorOptions& options) {
    BlockWeights moved = weights;
    for (at::Tensor* tensor : {&moved.input_norm, &moved.post_attention_norm, &moved.qk_norm}) {
      if (tensor->defined()) *tensor = tensor->to(options);
    }
    for (int group = 0; group < kGroups; ++group) {
      moved.groups[group] = moved.groups[group].to(options);
      if (moved.biases[group].defined()) moved.biases[group] = moved.biases[group].to(options);
    }
    const LlamaBlock block(shape, 19, options);
    BlockState state;
    std::vector<at::Tensor> results = {block.Forward(x.to(options), moved, &state)};
    block.Backward(gradient_y.to(options).clone(), moved, state, SharedGroups(shape, options),
                   [&](Group, const at::Tensor& gradient) { results.push_back(gradient.clone()); });
    results.push_back(gradient_y.to(options).clone());
    block.Forward(x.to(options), moved, &state);
    block.BackwardToInput(results.back(), x.to(options), moved, state);
    return results;
  };
  const std::vector<at::Tensor> expected = run(at::kDouble);
  for (const auto& [type, tolerance] : {std::pair(at::kFloat, 1e-4), std::pair(at::kBFloat16, 0.1)}) {
    const std::vector<at::Tensor> actual = run(at::TensorOptions(at::kCUDA).dtype(type));
    double worst = 0.0;
    for (size_t i = 0; i < actual.size(); ++i) {
      worst = std::max(worst, MaxRelativeDifference(actual[i], expected[i]));
    }
    std::printf("%s: within %.1e\n", type == at::kFloat ? "float32" : "bfloat16", worst);
    EXPECT_LT(worst, tolerance);
  }
}

std::string NameOf(const testing::TestParamInfo<Variant>& variant) { return variant.param.name; }

INSTANTIATE_TEST_SUITE_P(
    Allocations, FastPath,
    testing::Values(
        Variant{"paper_row", OddShape(), {.sparsity = 0.5, .granularity = Granularity::kRow}},
        Variant{"paper_layer", OddShape(), {.sparsity = 0.6, .granularity = Granularity::kLayer}},
        Variant{"prior_row", OddShape()},
        Variant{"prior_layer", OddShape(), {.sparsity = 0.3, .granularity = Granularity::kLayer, .prior_sigma = 0.2}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Traits, FastPath,
    testing::Values(With("qkv_bias", [](BlockShape& shape) { shape.qkv_bias = true; }),
                    With("all_biases",
                         [](BlockShape& shape) { shape.qkv_bias = shape.attention_out_bias = shape.mlp_bias = true; }),
                    With("qk_norm", [](BlockShape& shape) { shape.qk_norm = true; }),
                    With("window", [](BlockShape& shape) { shape.window = 5; }),
                    With("window_of_two", [](BlockShape& shape) { shape.window = 2; }),
                    With("window_never_full", [](BlockShape& shape) { shape.window = 19; }),
                    With("linear",
                         [](BlockShape& shape) {
                           shape.rope_scaling = {.kind = storage::RopeScaling::Kind::kLinear, .factor = 4.0};
                         }),
                    With("llama3", [](BlockShape& shape) { shape.rope_scaling = kLlama3; }),
                    With("all",
                         [](BlockShape& shape) {
                           shape.qkv_bias = shape.attention_out_bias = shape.mlp_bias = shape.qk_norm = true;
                           shape.window = 7;
                           shape.rope_scaling = kLlama3;
                         })),
    NameOf);

}  // namespace
}  // namespace besa::pruner
