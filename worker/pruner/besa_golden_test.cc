// The four BESA runs of tests/data/golden/besa-block.safetensors, 24 steps each on block 2 of books-llama-3m: on the
// fast path in float64, float32 and bfloat16, on CPU and CUDA, and on the autograd twin in float64.
#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "worker/pruner/autograd_twin.h"
#include "worker/pruner/block_trainer.h"
#include "worker/pruner/exact_sparsity.h"
#include "worker/pruner/golden.h"
#include "worker/pruner/rms_norm.h"
#include "worker/pruner/tensor_kernels.h"

namespace besa::pruner {
namespace {

constexpr int kSteps = 24;
constexpr int64_t kSamples = 8;

struct Run {
  const char* name;
  AllocationOptions options;
  double d_coef;
};

const std::vector<Run>& Runs() {
  static const std::vector<Run> runs = {
      {"paper-row-50", {.sparsity = 0.5, .granularity = Granularity::kRow}, 5.0},
      {"paper-layer-50", {.sparsity = 0.5, .granularity = Granularity::kLayer}, 50.0},
      {"prior-row-50", {.sparsity = 0.5, .granularity = Granularity::kRow, .prior_sigma = 0.08}, 5.0},
      {"prior-row-70", {.sparsity = 0.7, .granularity = Granularity::kRow, .prior_sigma = 0.08}, 5.0},
  };
  return runs;
}

// What a run is judged by, whoever made it.
struct Outcome {
  // [24, 3]: loss, sparsity, d before the step.
  std::vector<std::array<double, 3>> log;
  // dL/dbeta at step 0, by linear.
  std::vector<at::Tensor> gradient;
  std::vector<double> rates;
  std::vector<int32_t> pruned;
};

class BesaGolden : public testing::TestWithParam<Run> {
 protected:
  static const Tensors& Model() {
    static const Tensors tensors = ReadTensors("books-llama-3m/model.safetensors");
    return tensors;
  }
  static const Tensors& Golden() {
    static const Tensors tensors = ReadTensors("golden/besa-block.safetensors");
    return tensors;
  }

  at::Tensor Expected(Linear linear, const std::string& what) const {
    return Golden().at(std::string(GetParam().name) + "/" + LinearName(linear) + "." + what);
  }
  std::vector<int32_t> ExpectedCounts(const std::string& what) const {
    std::vector<at::Tensor> parts;
    for (Linear linear : kAllLinears) parts.push_back(Expected(linear, what));
    const at::Tensor all = at::cat(parts);
    return {all.data_ptr<int32_t>(), all.data_ptr<int32_t>() + all.numel()};
  }

  Outcome FastPath(const at::TensorOptions& options) const {
    const BlockWeights dense = SmallBlock(Model(), 2, options);
    const LlamaBlock block(SmallShape(), 64, options);
    const at::Tensor x = Golden().at("x").to(options);
    const at::Tensor reference = Golden().at("reference").to(options);
    // From the golden sums: those of a float32 forward swap weights that are equal but for rounding.
    std::array<at::Tensor, kLinears> orders;
    for (Linear linear : kAllLinears) {
      const at::Tensor sums = Golden().at(std::string(LinearName(linear)) + ".sum_of_squares");
      orders[linear] = RankRows(dense.linear(linear), sums.to(AccumulatorOptions(options)), kSamples);
      EXPECT_EQ(MaxDifference(Inverse(orders[linear]), Golden().at(std::string(LinearName(linear)) + ".rank")), 0.0);
    }

    BlockTrainer trainer(block, dense, orders, dense.WithOwnLinears(), GetParam().options, GetParam().d_coef);
    Outcome outcome;
    at::Tensor loss;
    Allocation::Rates rates;
    const at::Tensor gradient = trainer.Gradient({x.narrow(0, 0, 1), reference.narrow(0, 0, 1)}, loss, rates).clone();
    for (Linear linear : kAllLinears) outcome.gradient.push_back(trainer.allocation().GroupsOf(linear, gradient));
    for (int step = 0; step < kSteps; ++step) {
      const at::Tensor record =
          trainer.Step({x.narrow(0, step % kSamples, 1), reference.narrow(0, step % kSamples, 1)}).cpu();
      const double* values = record.data_ptr<double>();
      outcome.log.push_back({values[StepRecord::kLoss], values[StepRecord::kSparsity], values[StepRecord::kD]});
      for (Linear linear : kAllLinears)
        EXPECT_EQ(values[int{StepRecord::kFinite} + int{linear}], 1.0) << LinearName(linear);
    }
    outcome.rates = trainer.allocation().FinalRates();
    const at::Tensor pruned = trainer.allocation().Forward().pruned.cpu();
    outcome.pruned.assign(pruned.data_ptr<int32_t>(), pruned.data_ptr<int32_t>() + pruned.numel());
    return outcome;
  }

  static at::TensorOptions AccumulatorOptions(const at::TensorOptions& options) {
    return options.dtype(AccumulatorType(options.dtype().toScalarType()));
  }
  // From rank -> column to column -> rank.
  static at::Tensor Inverse(const at::Tensor& order) {
    return at::argsort(order.cpu().to(at::kLong), /*stable=*/true, /*dim=*/1, /*descending=*/false);
  }

  Outcome Twin() const {
    const BlockWeights dense = SmallBlock(Model(), 2, at::kDouble);
    const at::Tensor x = Golden().at("x").to(at::kDouble);
    const at::Tensor reference = Golden().at("reference").to(at::kDouble);
    std::array<at::Tensor, kLinears> ranks;
    for (Linear linear : kAllLinears) {
      const std::string name = LinearName(linear);
      ranks[linear] = TwinRank(dense.linear(linear), Golden().at(name + ".sum_of_squares").to(at::kDouble), kSamples);
      EXPECT_EQ(MaxDifference(ranks[linear], Golden().at(name + ".rank")), 0.0) << name;
    }
    AutogradTwin twin(dense, ranks, GetParam().options, GetParam().d_coef);
    Outcome outcome;
    for (int step = 0; step < kSteps; ++step) {
      const auto result = twin.Train(x.narrow(0, step % kSamples, 1), reference.narrow(0, step % kSamples, 1));
      outcome.log.push_back({result.loss, result.sparsity, result.d});
      if (step == 0) outcome.gradient.assign(result.gradient.begin(), result.gradient.end());
    }
    for (Linear linear : kAllLinears) {
      for (double rate : twin.Rates(linear)) outcome.rates.push_back(rate);
      for (int32_t k : twin.Pruned(linear)) outcome.pruned.push_back(k);
    }
    return outcome;
  }

  static std::vector<int32_t> Exact(const std::vector<double>& rates, double sparsity) {
    std::vector<RowRate> rows;
    for (Linear linear : kAllLinears) {
      for (int64_t row = 0; row < SmallShape().Rows(linear); ++row) {
        rows.push_back({.cols = SmallShape().Cols(linear), .rate = rates[rows.size()]});
      }
    }
    return ExactSparsity(rows, sparsity);
  }

  double GradientDifference(const Outcome& outcome) const {
    double worst = 0.0;
    for (Linear linear : kAllLinears) {
      worst = std::max(worst, MaxRelativeDifference(outcome.gradient[linear], Expected(linear, "grad0")));
    }
    return worst;
  }
  std::array<double, 3> LogDifference(const Outcome& outcome, int from) const {
    const at::Tensor log = Golden().at(std::string(GetParam().name) + "/log");
    std::array<double, 3> worst{};
    for (int step = from; step < kSteps; ++step) {
      for (int column = 0; column < 3; ++column) {
        const double expected = log[step][column].item<double>();
        worst[column] = std::max(worst[column], std::abs(outcome.log[step][column] - expected));
      }
    }
    return worst;
  }
  static int Differing(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
    int count = 0;
    for (size_t i = 0; i < a.size(); ++i) count += a[i] != b[i];
    return count;
  }

  void CheckFloat64(const Outcome& outcome) const {
    const auto log = LogDifference(outcome, 0);
    const auto exact = Exact(outcome.rates, GetParam().options.sparsity);
    std::printf("%s: grad0 %.1e; log: loss %.1e sparsity %.1e d %.1e; k differing %d, exact %d\n", GetParam().name,
                GradientDifference(outcome), log[0], log[1], log[2],
                Differing(outcome.pruned, ExpectedCounts("pruned")), Differing(exact, ExpectedCounts("exact_pruned")));
    EXPECT_LT(GradientDifference(outcome), 1e-6);
    EXPECT_THAT(log, testing::Each(testing::Lt(1e-6)));
    EXPECT_EQ(outcome.pruned, ExpectedCounts("pruned"));
    EXPECT_EQ(exact, ExpectedCounts("exact_pruned"));
  }

  // The trajectory is chaotic, its quality is not: judged by gradient, end of the log and zeros.
  void CheckRounded(const Outcome& outcome, double gradient, double loss, double d, double zeros) const {
    const at::Tensor log = Golden().at(std::string(GetParam().name) + "/log");
    const double gradient_difference = GradientDifference(outcome);
    const double loss_difference = outcome.log.back()[0] / log[kSteps - 1][0].item<double>() - 1.0;
    const double d_difference = outcome.log.back()[2] / log[kSteps - 1][2].item<double>() - 1.0;
    EXPECT_LT(gradient_difference, gradient);
    EXPECT_LT(std::abs(loss_difference), loss);
    EXPECT_LT(std::abs(d_difference), d);

    const auto expected = ExpectedCounts("pruned");
    double worst_zeros = 0.0;
    size_t row = 0;
    for (Linear linear : kAllLinears) {
      double actual_zeros = 0.0;
      double expected_zeros = 0.0;
      for (int64_t i = 0; i < SmallShape().Rows(linear); ++i, ++row) {
        actual_zeros += outcome.pruned[row];
        expected_zeros += expected[row];
      }
      worst_zeros = std::max(worst_zeros, std::abs(actual_zeros / expected_zeros - 1.0));
    }
    EXPECT_LT(worst_zeros, zeros);
    std::printf(
        "%s: grad0 %.1e; at the end: loss %+.2f%% d %+.2f%%; zeros of a linear within %.2f%%; k differing %d of %zu\n",
        GetParam().name, gradient_difference, 100 * loss_difference, 100 * d_difference, 100 * worst_zeros,
        Differing(outcome.pruned, expected), expected.size());
  }
};

TEST_P(BesaGolden, TwinInFloat64) { CheckFloat64(Twin()); }
TEST_P(BesaGolden, FastPathInFloat64) { CheckFloat64(FastPath(at::kDouble)); }
TEST_P(BesaGolden, FastPathInFloat32) { CheckRounded(FastPath(at::kFloat), 1e-4, 0.02, 0.05, 0.005); }
TEST_P(BesaGolden, FastPathInBFloat16) { CheckRounded(FastPath(at::kBFloat16), 0.05, 0.03, 0.10, 0.02); }

TEST_P(BesaGolden, FastPathInFloat32OnCuda) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  CheckRounded(FastPath(at::TensorOptions(at::kCUDA).dtype(at::kFloat)), 1e-4, 0.02, 0.05, 0.005);
}
TEST_P(BesaGolden, FastPathInBFloat16OnCuda) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  CheckRounded(FastPath(at::TensorOptions(at::kCUDA).dtype(at::kBFloat16)), 0.05, 0.03, 0.10, 0.02);
}

INSTANTIATE_TEST_SUITE_P(Runs, BesaGolden, testing::ValuesIn(Runs()), [](const auto& run) {
  std::string name = run.param.name;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
});

}  // namespace
}  // namespace besa::pruner
