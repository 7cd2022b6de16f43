#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "gtest/gtest.h"
#include "worker/kernels/adam_kernels.h"
#include "worker/kernels/kernels.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

// A matrix in training, all of it kept at first.
struct Training {
  Training(ElementType type, int64_t rows, int64_t cols)
      : weight(type, rows, cols),
        dense(TestMatrix::Random(type, rows, cols, 5)),
        master(TestMatrix::Random(AccumulatorType(type), rows, cols, 1)),
        first_moment(AccumulatorType(type), rows, cols),
        second_moment(AccumulatorType(type), rows, cols) {
    for (int64_t i = 0; i < size(); ++i) weight.Set(i, master.At(i));
  }

  int64_t size() const { return weight.rows() * weight.cols(); }

  void Remove(int64_t index) {
    for (TestMatrix* matrix : {&weight, &master, &first_moment}) matrix->Set(index, 0.0);
    second_moment.Set(index, kRemoved);
  }

  void Step(const Device& device, const TestMatrix& gradient, bool apply = true) {
    ASSERT_TRUE(AdamAdvance(device, options, &apply, &clock).ok());
    const AdamState state = {
        .master = master.data(), .first_moment = first_moment.data(), .second_moment = second_moment.data()};
    ASSERT_TRUE(AdamStep(device, options, &clock, &apply, gradient.View(), dense.View(), state, weight.View()).ok());
  }

  AdamOptions options = {.learning_rate = 0.02, .steps = 40};
  AdamClock clock;
  TestMatrix weight;
  TestMatrix dense;
  TestMatrix master;
  TestMatrix first_moment;
  TestMatrix second_moment;
};

// Gradient of a quadratic that pulls weights to 1.
TestMatrix TowardsOne(const TestMatrix& weight) {
  TestMatrix gradient(weight.type(), weight.rows(), weight.cols());
  for (int64_t i = 0; i < weight.rows() * weight.cols(); ++i) gradient.Set(i, 0.01 * (weight.At(i) - 1.0));
  return gradient;
}

class AdamWithDecay : public testing::TestWithParam<double> {};

TEST_P(AdamWithDecay, FollowsItsDefinition) {
  Training training(ElementType::kFloat64, 40, 1003);
  training.options.decay = GetParam();
  std::vector<double> w, m(training.size()), v(training.size());
  for (int64_t i = 0; i < training.size(); ++i) w.push_back(training.master.At(i));

  // Kingma and Ba's algorithm 1, as PyTorch has it, under CosineAnnealingLR; the decay apart from it, as in AdamW.
  for (int step = 0; step < 40; ++step) {
    const double rate = 0.02 * (1.0 + std::cos(std::numbers::pi * step / 40.0)) / 2.0;
    const TestMatrix gradient = TowardsOne(training.weight);
    training.Step(ThreadedCpu(3), gradient);
    for (int64_t i = 0; i < training.size(); ++i) {
      const double g = gradient.At(i);
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      const double corrected_m = m[i] / (1.0 - std::pow(0.9, step + 1));
      const double corrected_v = v[i] / (1.0 - std::pow(0.999, step + 1));
      w[i] -= rate * GetParam() * (w[i] - training.dense.At(i));
      w[i] -= rate * corrected_m / (std::sqrt(corrected_v) + 1e-8);
      ASSERT_NEAR(training.master.At(i), w[i], 1e-11) << "step " << step;
      ASSERT_EQ(training.weight.At(i), training.master.At(i));
    }
  }
  EXPECT_EQ(training.clock.position, 40.0);
}

INSTANTIATE_TEST_SUITE_P(Adam, AdamWithDecay, testing::Values(0.0, 3.0),
                         [](const auto& decay) { return decay.param == 0.0 ? "None" : "TowardsDense"; });

TEST(Adam, WithoutAGradientDecayLeadsToTheDenseWeights) {
  for (const ElementType type : kAllTypes) {
    Training training(type, 4, 37);
    training.options = {.learning_rate = 0.1, .steps = 1000, .decay = 3.0};
    training.Remove(5);
    const TestMatrix none(type, 4, 37);
    for (int step = 0; step < 1000; ++step) training.Step(Device::Cpu(), none);
    for (int64_t i = 0; i < training.size(); ++i) {
      EXPECT_NEAR(training.master.At(i), i == 5 ? 0.0 : training.dense.At(i), 1e-5) << NameOf(type);
    }
  }
}

TEST(Adam, RemovedWeightsStayZeroWhateverTheirGradient) {
  for (const ElementType type : kAllTypes) {
    Training training(type, 3, 50);
    for (int64_t i = 0; i < training.size(); i += 2) training.Remove(i);
    TestMatrix gradient = TestMatrix::Random(type, 3, 50, 2);
    gradient.Set(0, std::numeric_limits<double>::quiet_NaN());
    gradient.Set(2, std::numeric_limits<double>::infinity());
    for (int step = 0; step < 5; ++step) training.Step(Device::Cpu(), gradient);
    for (int64_t i = 0; i < training.size(); ++i) {
      if (i % 2 == 1) {
        EXPECT_NE(training.weight.At(i), 0.0);
        continue;
      }
      EXPECT_EQ(training.weight.At(i), 0.0) << NameOf(type);
      EXPECT_FALSE(std::signbit(training.weight.At(i)));
      EXPECT_EQ(training.first_moment.At(i), 0.0);
      EXPECT_EQ(training.second_moment.At(i), kRemoved);
    }
  }
}

TEST(Adam, AKeptWeightMayPassThroughZero) {
  Training training(ElementType::kFloat32, 1, 1);
  training.master.Set(0, 0.0);
  training.weight.Set(0, 0.0);
  for (int step = 0; step < 3; ++step) training.Step(Device::Cpu(), TowardsOne(training.weight));
  EXPECT_GT(training.weight.At(0), 0.01);
}

TEST(Adam, SmallStepsAddUpUnderABFloat16Weight) {
  Training training(ElementType::kBFloat16, 1, 64);
  training.options = {.learning_rate = 1e-4, .steps = 1000};
  for (int64_t i = 0; i < 64; ++i) training.master.Set(i, 0.5);
  TestMatrix down = TestMatrix::Random(ElementType::kBFloat16, 1, 64, 3);
  for (int64_t i = 0; i < 64; ++i) down.Set(i, 1.0);
  training.Step(Device::Cpu(), down);
  // A step is a twentieth of the distance to the next bfloat16.
  EXPECT_EQ(training.weight.At(0), 0.5);
  for (int step = 1; step < 200; ++step) training.Step(Device::Cpu(), down);
  EXPECT_NEAR(training.master.At(0), 0.5 - 200 * 1e-4, 1e-3);
  EXPECT_NEAR(training.weight.At(0), training.master.At(0), 1e-3);
}

TEST(Adam, ASkippedStepMovesTheScheduleAlone) {
  Training training(ElementType::kFloat32, 2, 9);
  training.Step(Device::Cpu(), TowardsOne(training.weight));
  const Training before = training;
  TestMatrix bad(ElementType::kFloat32, 2, 9);
  for (int64_t i = 0; i < 18; ++i) bad.Set(i, std::numeric_limits<double>::quiet_NaN());
  training.Step(Device::Cpu(), bad, false);
  EXPECT_EQ(training.weight.bytes(), before.weight.bytes());
  EXPECT_EQ(training.master.bytes(), before.master.bytes());
  EXPECT_EQ(training.first_moment.bytes(), before.first_moment.bytes());
  EXPECT_EQ(training.second_moment.bytes(), before.second_moment.bytes());
  EXPECT_EQ(training.clock.beta1_power, before.clock.beta1_power);
  EXPECT_EQ(training.clock.position, 2.0);
}

TEST(Adam, ThreadsChangeNothing) {
  Training one(ElementType::kBFloat16, 200, 700);
  Training many(ElementType::kBFloat16, 200, 700);
  const TestMatrix gradient = TestMatrix::Random(ElementType::kBFloat16, 200, 700, 4);
  for (int step = 0; step < 3; ++step) {
    one.Step(Device::Cpu(), gradient);
    many.Step(ThreadedCpu(5), gradient);
  }
  EXPECT_EQ(one.master.bytes(), many.master.bytes());
  EXPECT_EQ(one.weight.bytes(), many.weight.bytes());
}

TEST(Adam, NamesTheArgumentThatIsWrong) {
  Training training(ElementType::kFloat32, 2, 3);
  const bool apply = true;
  const TestMatrix other(ElementType::kFloat32, 3, 2);
  const AdamState state = {.master = training.master.data(),
                           .first_moment = training.first_moment.data(),
                           .second_moment = training.second_moment.data()};
  const auto message = [&](const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_NE(
      message(AdamStep(Device::Cpu(), {}, &training.clock, &apply, other.View(), {}, state, training.weight.View()))
          .find("weight is float32 [2, 3]; expected float32 [3, 2]"),
      std::string::npos);
  EXPECT_NE(message(AdamStep(Device::Cpu(), {}, &training.clock, &apply, training.weight.View(), {},
                             {.master = training.master.data()}, training.weight.View()))
                .find("state.first_moment is null"),
            std::string::npos);
  EXPECT_NE(message(AdamAdvance(Device::Cpu(), {.beta1 = 1.0}, &apply, &training.clock)).find("betas are 1"),
            std::string::npos);
  EXPECT_NE(message(AdamStep(Device::Cpu(), {.decay = 1.0}, &training.clock, &apply, training.weight.View(),
                             other.View(), state, training.weight.View()))
                .find("dense is float32 [3, 2]; expected float32 [2, 3]"),
            std::string::npos);
  EXPECT_NE(message(AdamAdvance(Device::Cpu(), {.decay = -1.0}, &apply, &training.clock)).find("decay is -1"),
            std::string::npos);
  EXPECT_NE(message(AdamAdvance(Device::Cpu(), {.steps = 0}, &apply, &training.clock)).find("steps is 0"),
            std::string::npos);
}

}  // namespace
}  // namespace besa::kernels
