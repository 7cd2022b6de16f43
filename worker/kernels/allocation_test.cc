#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "worker/kernels/allocation_kernels.h"
#include "worker/kernels/kernels.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

double P(int d) { return static_cast<double>(100 - d) / 100; }

// Two linears, of 3 rows of 40 weights and 2 rows of 7, and the definitions of kernels.h and allocation_kernels.h.
struct Example {
  Example(bool by_row, bool with_prior) {
    first_row = by_row ? std::vector<int32_t>{0, 1, 2, 3, 4, 5} : std::vector<int32_t>{0, 3, 5};
    for (size_t g = 0; g + 1 < first_row.size(); ++g) {
      double weights = 0;
      for (int32_t r = first_row[g]; r < first_row[g + 1]; ++r) weights += cols[r];
      share.push_back(weights / 134.0);
    }
    if (with_prior) {
      for (int d = 0; d < kCandidates; ++d) prior.push_back(-0.5 * std::pow((P(d) - 0.6) / 0.08, 2));
    }
    std::mt19937 generator(11);
    std::normal_distribution<double> normal;
    for (size_t i = 0; i < share.size() * kCandidates; ++i) beta.push_back(normal(generator));
    for (double& h : histogram) h = normal(generator);
  }

  AllocationProblem Problem() const {
    return {.rows = 5,
            .groups = static_cast<int64_t>(share.size()),
            .first_row = first_row.data(),
            .cols = cols.data(),
            .share = share.data(),
            .prior = prior.empty() ? nullptr : prior.data(),
            .sparsity = 0.6,
            .penalty = 5.0};
  }

  std::vector<double> Distribution(size_t g) const {
    std::vector<double> s;
    double sum = 0;
    for (int d = 0; d < kCandidates; ++d) {
      const double b = beta[g * kCandidates + d];
      s.push_back(std::exp(prior.empty() ? 1.0 / (1.0 + std::exp(-b)) : b + prior[d]));
      sum += s.back();
    }
    for (double& share_of_candidate : s) share_of_candidate /= sum;
    return s;
  }

  double Rate(size_t g) const {
    const std::vector<double> s = Distribution(g);
    double rate = 0;
    for (int d = 0; d < kCandidates; ++d) rate += s[d] * P(d);
    return rate;
  }

  // What AllocationBackward is the gradient of: the loss is linear in s, with dL/ds_i = -sum_{d >= i} h_d.
  double Objective() const {
    double loss = 0;
    double sparsity = 0;
    for (size_t g = 0; g < share.size(); ++g) {
      const std::vector<double> s = Distribution(g);
      sparsity += share[g] * Rate(g);
      for (int32_t r = first_row[g]; r < first_row[g + 1]; ++r) {
        for (int i = 0; i < kCandidates; ++i) {
          for (int d = i; d < kCandidates; ++d) loss -= s[i] * histogram[r * kCandidates + d];
        }
      }
    }
    return loss + 5.0 * std::pow((sparsity - 0.6) / 0.6, 2);
  }

  std::vector<int32_t> cols = {40, 40, 40, 7, 7};
  std::vector<int32_t> first_row;
  std::vector<double> share;
  std::vector<double> prior;
  std::vector<double> beta;
  std::vector<double> histogram = std::vector<double>(5 * kCandidates);
};

struct Forward {
  std::vector<double> rate;
  std::vector<int32_t> pruned;
  double sparsity;
};

Forward RunForward(const Device& device, const Example& example) {
  const AllocationProblem problem = example.Problem();
  std::vector<std::byte> scratch(AllocationScratchBytes(problem));
  Forward forward = {.rate = std::vector<double>(problem.groups), .pruned = std::vector<int32_t>(5), .sparsity = 0};
  EXPECT_TRUE(AllocationForward(device, problem, example.beta.data(), forward.rate.data(), forward.pruned.data(),
                                &forward.sparsity, scratch.data())
                  .ok());
  return forward;
}

std::vector<double> RunBackward(const Device& device, const Example& example, const ConstMatrix& histogram) {
  const AllocationProblem problem = example.Problem();
  std::vector<std::byte> scratch(AllocationScratchBytes(problem));
  const Forward forward = RunForward(device, example);
  std::vector<double> gradient(example.beta.size());
  EXPECT_TRUE(AllocationBackward(device, problem, example.beta.data(), forward.rate.data(), &forward.sparsity,
                                 histogram, gradient.data(), scratch.data())
                  .ok());
  return gradient;
}

class AllocationOf : public testing::TestWithParam<std::tuple<bool, bool>> {
 protected:
  Example example_{std::get<0>(GetParam()), std::get<1>(GetParam())};
};

TEST_P(AllocationOf, RatesAreTheMeanCandidate) {
  const Forward forward = RunForward(ThreadedCpu(3), example_);
  double sparsity = 0;
  for (size_t g = 0; g < example_.share.size(); ++g) {
    EXPECT_NEAR(forward.rate[g], example_.Rate(g), 1e-14);
    sparsity += example_.share[g] * example_.Rate(g);
    for (int32_t r = example_.first_row[g]; r < example_.first_row[g + 1]; ++r) {
      EXPECT_EQ(forward.pruned[r], std::floor(example_.cols[r] * example_.Rate(g) + 1.0 / 1024));
    }
  }
  EXPECT_NEAR(forward.sparsity, sparsity, 1e-14);
}

TEST_P(AllocationOf, BackwardIsTheDerivative) {
  const auto histogram = TestMatrix::Of(ElementType::kFloat64, 5, kCandidates, example_.histogram);
  const std::vector<double> gradient = RunBackward(ThreadedCpu(3), example_, histogram.View());
  for (size_t i = 0; i < gradient.size(); ++i) {
    constexpr double kStep = 1e-4;
    const double at = example_.beta[i];
    example_.beta[i] = at + kStep;
    double derivative = example_.Objective();
    example_.beta[i] = at - kStep;
    derivative = (derivative - example_.Objective()) / (2 * kStep);
    example_.beta[i] = at;
    ASSERT_NEAR(gradient[i], derivative, 1e-8) << i;
  }
}

TEST_P(AllocationOf, FloatHistogramsCountAsTheirDoubles) {
  const auto single = TestMatrix::Of(ElementType::kFloat32, 5, kCandidates, example_.histogram);
  TestMatrix widened(ElementType::kFloat64, 5, kCandidates);
  for (int64_t i = 0; i < 5 * kCandidates; ++i) widened.Set(i, single.At(i));
  EXPECT_EQ(RunBackward(Device::Cpu(), example_, single.View()), RunBackward(Device::Cpu(), example_, widened.View()));
}

TEST_P(AllocationOf, BadHistogramsMakeBadGradientsOfTheirGroup) {
  example_.histogram[4 * kCandidates + 50] = std::numeric_limits<double>::infinity();
  const auto histogram = TestMatrix::Of(ElementType::kFloat64, 5, kCandidates, example_.histogram);
  const std::vector<double> gradient = RunBackward(Device::Cpu(), example_, histogram.View());
  const size_t bad = (example_.share.size() - 1) * kCandidates;
  for (size_t i = 0; i < gradient.size(); ++i) ASSERT_EQ(std::isfinite(gradient[i]), i < bad) << i;
}

INSTANTIATE_TEST_SUITE_P(Kinds, AllocationOf, testing::Combine(testing::Bool(), testing::Bool()), [](const auto& test) {
  return std::string(std::get<0>(test.param) ? "ByRow" : "ByLinear") + (std::get<1>(test.param) ? "Prior" : "Paper");
});

}  // namespace
}  // namespace besa::kernels
