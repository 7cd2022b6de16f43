#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "worker/kernels/allocation_kernels.h"
#include "worker/kernels/kernels.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

// The optimiser and all it remembers. Parameters as AllocationProblems have them.
struct Training {
  explicit Training(int64_t count) : groups(count) {
    for (auto* vector : {&parameters, &first_moment, &second_moment, &gradient_sum}) {
      vector->resize(count * kCandidates);
    }
  }

  void Step(const Device& device, std::vector<double> gradient, bool apply = true) {
    std::vector<std::byte> scratch(AllocationScratchBytes({.groups = groups}));
    ASSERT_TRUE(ProdigyStep(device, options, groups * kCandidates, parameters.data(), gradient.data(), &apply,
                            {.first_moment = first_moment.data(),
                             .second_moment = second_moment.data(),
                             .gradient_sum = gradient_sum.data(),
                             .d = &d,
                             .numerator = &numerator},
                            scratch.data())
                    .ok());
  }

  bool operator==(const Training& other) const {
    return parameters == other.parameters && first_moment == other.first_moment &&
           second_moment == other.second_moment && gradient_sum == other.gradient_sum && d == other.d &&
           numerator == other.numerator;
  }

  int64_t groups;
  ProdigyOptions options = {.d_coef = 3.0};
  std::vector<double> parameters, first_moment, second_moment, gradient_sum;
  double d = 1e-6;
  double numerator = 0;
};

std::vector<double> Random(int64_t groups, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(groups * kCandidates);
  for (double& value : values) value = normal(generator);
  return values;
}

// Gradient of a quadratic whose minimum is where the parameters are `target`.
std::vector<double> TowardsTarget(const std::vector<double>& parameters, const std::vector<double>& target) {
  std::vector<double> gradient;
  for (size_t i = 0; i < target.size(); ++i) gradient.push_back(0.01 * (parameters[i] - target[i]));
  return gradient;
}

TEST(Prodigy, FollowsItsDefinition) {
  constexpr int64_t kGroups = 90;  // several chunks
  Training training(kGroups);
  const std::vector<double> target = Random(kGroups, 1);
  const size_t count = target.size();

  // The paper's algorithm 4 with lr 1, no bias correction and no decay.
  std::vector<double> p(count), m(count), v(count), s(count);
  double d = 1e-6;
  double r = 0;
  for (int step = 0; step < 60; ++step) {
    training.Step(ThreadedCpu(3), TowardsTarget(training.parameters, target));
    const std::vector<double> g = TowardsTarget(p, target);
    double progress = 0;
    for (size_t i = 0; i < count; ++i) progress += g[i] * (0.0 - p[i]);
    r = std::sqrt(0.999) * r + d / 1e-6 * d * progress;
    double norm = 0;
    for (size_t i = 0; i < count; ++i) {
      m[i] = 0.9 * m[i] + 0.1 * d * g[i];
      v[i] = 0.999 * v[i] + 0.001 * d * d * g[i] * g[i];
      s[i] = std::sqrt(0.999) * s[i] + d / 1e-6 * d * g[i];
      norm += std::abs(s[i]);
    }
    const double next_d = std::max(d, 3.0 * r / norm);
    for (size_t i = 0; i < count; ++i) p[i] -= d * m[i] / (std::sqrt(v[i]) + next_d * 1e-8);
    d = next_d;
    ASSERT_NEAR(training.d, d, 1e-10 * d) << "step " << step;
    for (size_t i = 0; i < count; ++i) ASSERT_NEAR(training.parameters[i], p[i], 1e-8 * std::abs(p[i]) + 1e-11);
  }
  EXPECT_GT(d, 1e-3) << "it finds its own step size";
}

TEST(Prodigy, ChangesNothingWhenAStepIsSkipped) {
  Training training(2);
  const std::vector<double> gradient = Random(2, 1);
  for (int step = 0; step < 3; ++step) training.Step(Device::Cpu(), gradient);
  const Training before = training;
  training.Step(Device::Cpu(), std::vector<double>(2 * kCandidates, std::numeric_limits<double>::quiet_NaN()), false);
  EXPECT_EQ(training, before);
}

TEST(Prodigy, StandsStillWithoutGradients) {
  Training training(1);
  training.Step(Device::Cpu(), std::vector<double>(kCandidates));
  EXPECT_EQ(training, Training(1));
}

TEST(Prodigy, ThreadsChangeNothing) {
  Training one(300);
  Training many(300);
  const std::vector<double> target = Random(300, 2);
  for (int step = 0; step < 5; ++step) {
    one.Step(Device::Cpu(), TowardsTarget(one.parameters, target));
    many.Step(ThreadedCpu(6), TowardsTarget(many.parameters, target));
  }
  EXPECT_EQ(one, many);
}

}  // namespace
}  // namespace besa::kernels
