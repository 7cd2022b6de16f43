// Wanda and SparseGPT against tests/data/golden/baselines.safetensors, on block 2 of books-llama-3m; SparseGPT's dead
// columns and hopeless Hessians; magnitude by its definition.
#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <limits>
#include <string>

#include "worker/pruner/golden.h"
#include "worker/pruner/pruning_method.h"

namespace besa::pruner {
namespace {

using testing::HasSubstr;

struct Device {
  const char* name;
  at::DeviceType type;
  at::ScalarType scalar;
};

class BaselinesGolden : public testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    if (GetParam().type == at::kCUDA && !at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  }

  static const Tensors& Model() {
    static const Tensors tensors = ReadTensors("books-llama-3m/model.safetensors");
    return tensors;
  }
  static at::Tensor X() {
    static const Tensors tensors = ReadTensors("golden/besa-block.safetensors");
    return tensors.at("x");
  }
  static at::Tensor Golden(const std::string& run, Linear linear, const std::string& what) {
    static const Tensors tensors = ReadTensors("golden/baselines.safetensors");
    return tensors.at(run + "/" + LinearName(linear) + "." + what);
  }

  at::TensorOptions TensorOptions() const { return at::TensorOptions(GetParam().type).dtype(GetParam().scalar); }
  BlockWeights Dense() const { return SmallBlock(Model(), 2, TensorOptions()); }

  // `edit` may change the state of the forward pass before the method sees it.
  absl::StatusOr<MethodResult> Prune(
      BesaOptions options, const std::function<void(BlockState&)>& edit = [](BlockState&) {}) const {
    const at::Tensor x = X().to(TensorOptions());
    options = ResolveOptions(options, {}, x.size(0));
    const LlamaBlock block(SmallShape(), x.size(1), TensorOptions());
    const BlockWeights dense = Dense();
    const auto method = MakeMethod(options.method, SmallShape(), TensorOptions());
    // In two batches: statistics add up.
    at::Tensor reference = x.clone();
    for (int64_t first : {0, 5}) {
      const int64_t count = first == 0 ? 5 : 3;
      BlockState state;
      reference.narrow(0, first, count).copy_(block.Forward(x.narrow(0, first, count), dense, &state));
      edit(state);
      method->Observe(state);
    }
    const Observer nobody;
    StageReporter reporter(nobody, Clock::Real());
    return method->Prune({.options = options,
                          .block = block,
                          .block_index = 2,
                          .dense = dense,
                          .x = x,
                          .reference = reference,
                          .share = {.samples = x.size(0)}},
                         reporter);
  }

  // 1 where a weight is kept, as the mask that prune_block will apply.
  static at::Tensor Kept(const LinearPruning& pruning) {
    const at::Tensor order = pruning.order.cpu().to(at::kLong);
    const at::Tensor kept = at::ones(order.sizes(), at::kByte);
    for (int64_t row = 0; row < order.size(0); ++row) {
      kept[row].index_fill_(0, order[row].narrow(0, 0, pruning.pruned[static_cast<size_t>(row)]), 0);
    }
    return kept;
  }
  static int64_t Removed(const LinearPruning& pruning) {
    int64_t removed = 0;
    for (const int32_t count : pruning.pruned) removed += count;
    return removed;
  }

  void ExpectWandaMasks(const BesaOptions& options, const std::string& run) const {
    const MethodResult result = Prune(options).value();
    for (Linear linear : kAllLinears) {
      EXPECT_EQ(MaxDifference(Kept(result.linears[linear]), Golden(run, linear, "mask")), 0.0) << LinearName(linear);
      EXPECT_FALSE(result.linears[linear].weight.defined());
    }
  }

  void ExpectSparseGptWeights(const BesaOptions& options, const std::string& run) const {
    const MethodResult result = Prune(options).value();
    EXPECT_THAT(result.warnings, testing::IsEmpty());
    double worst = 0.0;
    for (Linear linear : kAllLinears) {
      const at::Tensor expected = Golden(run, linear, "weight");
      const LinearPruning& pruning = result.linears[linear];
      worst = std::max(worst, MaxRelativeDifference(pruning.weight, expected));
      EXPECT_EQ(MaxDifference(Kept(pruning), expected.ne(0)), 0.0) << LinearName(linear);
    }
    std::printf("%s: weights within %.1e\n", run.c_str(), worst);
    EXPECT_LT(worst, 1e-3);
  }
};

TEST_P(BaselinesGolden, WandaHalf) { ExpectWandaMasks({.method = Method::kWanda, .sparsity = 0.5}, "wanda-50"); }
TEST_P(BaselinesGolden, WandaTwoOfFour) {
  ExpectWandaMasks({.method = Method::kWanda, .sparsity = 0.5, .pattern = {.kept = 2, .of = 4}}, "wanda-2:4");
}
TEST_P(BaselinesGolden, SparseGptHalf) {
  ExpectSparseGptWeights({.method = Method::kSparseGpt, .sparsity = 0.5}, "sparsegpt-50");
}
TEST_P(BaselinesGolden, SparseGptTwoOfFour) {
  ExpectSparseGptWeights({.method = Method::kSparseGpt, .sparsity = 0.5, .pattern = {.kept = 2, .of = 4}},
                         "sparsegpt-2:4");
}

TEST_P(BaselinesGolden, SharesThatAreNoWholeNumberOfWeightsAddUp) {
  for (const Method method : {Method::kMagnitude, Method::kWanda}) {
    const MethodResult result = Prune({.method = method, .sparsity = 0.7}).value();
    int64_t removed = 0;
    for (const LinearPruning& pruning : result.linears) removed += Removed(pruning);
    EXPECT_EQ(removed, std::llround(0.7 * static_cast<double>(SmallShape().TotalWeights())));
  }
}

TEST_P(BaselinesGolden, MagnitudeRemovesTheSmallestOfEachLinear) {
  const MethodResult result = Prune({.method = Method::kMagnitude, .sparsity = 0.5}).value();
  const BlockWeights dense = Dense();
  for (Linear linear : kAllLinears) {
    const at::Tensor magnitude = dense.linear(linear).cpu().abs();
    const at::Tensor kept = Kept(result.linears[linear]).to(at::kBool);
    EXPECT_EQ(Removed(result.linears[linear]), magnitude.numel() / 2);
    EXPECT_LE(magnitude.masked_select(kept.logical_not()).max().item<double>(),
              magnitude.masked_select(kept).min().item<double>());
  }
}

TEST_P(BaselinesGolden, EveryMethodKeepsAPatternInEveryGroup) {
  for (const Method method : {Method::kMagnitude, Method::kWanda, Method::kSparseGpt}) {
    const MethodResult result = Prune({.method = method, .sparsity = 0.5, .pattern = {.kept = 4, .of = 8}}).value();
    for (const LinearPruning& pruning : result.linears) {
      EXPECT_TRUE(Kept(pruning).view({-1, 8}).sum(1).eq(4).all().item<bool>());
    }
  }
}

TEST_P(BaselinesGolden, SparseGptRemovesDeadColumns) {
  const MethodResult result = Prune({.method = Method::kSparseGpt, .sparsity = 0.5}, [](BlockState& state) {
                                state.inputs[kMlpOut].narrow(1, 100, 40).zero_();
                              }).value();
  const LinearPruning& down = result.linears[kDown];
  EXPECT_EQ(Kept(down).narrow(1, 100, 40).sum().item<int64_t>(), 0);
  EXPECT_EQ(down.weight.narrow(1, 100, 40).abs().max().item<double>(), 0.0);
  EXPECT_TRUE(down.weight.isfinite().all().item<bool>());
}

TEST_P(BaselinesGolden, SparseGptSaysThatItTookMoreDamping) {
  if (GetParam().type == at::kCUDA) GTEST_SKIP() << "rounds otherwise; hessian_test has a matrix that is indefinite";
  // Inputs whose columns are all the same, and a damping that is lost when it is added: a matrix of rank one. Every
  // element is 64, so that its factorisation meets a zero without rounding, on every processor.
  const double damping = 1e-16;
  const MethodResult result =
      Prune({.method = Method::kSparseGpt, .sparsity = 0.5, .sparsegpt_damping = damping}, [](BlockState& state) {
        at::Tensor& x = state.inputs[kMlpOut];
        x.zero_();
        x.narrow(1, 0, x.size(1) / 2).fill_(1);
      }).value();
  EXPECT_THAT(result.warnings, testing::Contains(HasSubstr("mlp.down_proj: the Hessian of its inputs took a damping")));
  EXPECT_TRUE(result.linears[kDown].weight.isfinite().all().item<bool>());
}

TEST_P(BaselinesGolden, SparseGptNamesInputsThatOverflow) {
  const absl::Status status = Prune({.method = Method::kSparseGpt, .sparsity = 0.5}, [](BlockState& state) {
                                state.inputs[kGateUp].fill_(std::numeric_limits<double>::infinity());
                              }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr("block 2, mlp.gate_proj, up_proj: the products of its inputs"));
}

// Kernels on CUDA take no float64.
INSTANTIATE_TEST_SUITE_P(Types, BaselinesGolden,
                         testing::Values(Device{"Float64", at::kCPU, at::kDouble},
                                         Device{"Float32", at::kCPU, at::kFloat},
                                         Device{"Float32OnCuda", at::kCUDA, at::kFloat}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace besa::pruner
