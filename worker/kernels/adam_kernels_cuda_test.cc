// The CUDA kernels of adam_kernels.h against their CPU twins over several steps, and twice for the same bits. Skipped
// without a GPU.
#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "worker/kernels/adam_kernels.h"
#include "worker/kernels/allocation_kernels.h"
#include "worker/kernels/cuda_buffer.h"
#include "worker/kernels/kernels.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

constexpr int kSteps = 30;

// Of a whole number of vectors, and not.
struct Size {
  int64_t rows;
  int64_t cols;
};

class AdamOnCuda : public testing::TestWithParam<std::tuple<ElementType, Size>> {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoGpu(); !why.empty()) GTEST_SKIP() << why;
  }

  struct Outcome {
    TestMatrix weight;
    TestMatrix master;
    TestMatrix first_moment;
    TestMatrix second_moment;
    AdamClock clock;
  };

  // kSteps steps with random gradients, one of them skipped; a third of the weights removed.
  static Outcome Train(bool on_cuda) {
    const auto& [type, size] = GetParam();
    const auto [rows, cols] = size;
    Outcome outcome = {.weight = TestMatrix(type, rows, cols),
                       .master = TestMatrix::Random(ElementType::kFloat32, rows, cols, 1),
                       .first_moment = TestMatrix(ElementType::kFloat32, rows, cols),
                       .second_moment = TestMatrix(ElementType::kFloat32, rows, cols),
                       .clock = {}};
    for (int64_t i = 0; i < rows * cols; i += 3) {
      outcome.master.Set(i, 0.0);
      outcome.second_moment.Set(i, kRemoved);
    }
    const AdamOptions options = {.learning_rate = 0.01, .steps = kSteps, .decay = 3.0};
    const TestMatrix dense = TestMatrix::Random(type, rows, cols, 2);
    const Device device = on_cuda ? Device::Cuda(nullptr) : Device::Cpu();
    const auto buffer = [](const TestMatrix& matrix) {
      return std::make_unique<CudaBuffer>(matrix.bytes().data(), matrix.bytes().size());
    };
    const auto weight = buffer(outcome.weight);
    const auto dense_there = buffer(dense);
    ConstMatrix towards = dense.View();
    if (on_cuda) towards.data = dense_there->data();
    const auto master = buffer(outcome.master);
    const auto first_moment = buffer(outcome.first_moment);
    const auto second_moment = buffer(outcome.second_moment);
    CudaBuffer clock(&outcome.clock, sizeof(AdamClock));
    const AdamState state = {.master = on_cuda ? master->data() : outcome.master.data(),
                             .first_moment = on_cuda ? first_moment->data() : outcome.first_moment.data(),
                             .second_moment = on_cuda ? second_moment->data() : outcome.second_moment.data()};
    Matrix out = outcome.weight.View();
    if (on_cuda) out.data = weight->data();
    auto* const clock_there = on_cuda ? clock.As<AdamClock>() : &outcome.clock;
    for (int step = 0; step < kSteps; ++step) {
      const TestMatrix gradient = TestMatrix::Random(type, rows, cols, 10 + step);
      CudaBuffer gradient_there(gradient.bytes().data(), gradient.bytes().size());
      ConstMatrix slope = gradient.View();
      if (on_cuda) slope.data = gradient_there.data();
      const bool apply = step != 7;
      CudaBuffer apply_there(&apply, sizeof(apply));
      const bool* const flag = on_cuda ? apply_there.As<bool>() : &apply;
      EXPECT_TRUE(AdamAdvance(device, options, flag, clock_there).ok());
      EXPECT_TRUE(AdamStep(device, options, clock_there, flag, slope, towards, state, out).ok());
      if (on_cuda) CheckCuda(cudaDeviceSynchronize());
    }
    if (on_cuda) {
      weight->CopyTo(outcome.weight.data());
      master->CopyTo(outcome.master.data());
      first_moment->CopyTo(outcome.first_moment.data());
      second_moment->CopyTo(outcome.second_moment.data());
      clock.CopyTo(&outcome.clock);
    }
    return outcome;
  }
};

TEST_P(AdamOnCuda, TrainsAsOnTheCpu) {
  const Outcome cpu = Train(false);
  const Outcome cuda = Train(true);
  EXPECT_EQ(cuda.clock.position, cpu.clock.position);
  EXPECT_NEAR(cuda.clock.rate / cpu.clock.rate, 1.0, 1e-9);
  EXPECT_NEAR(cuda.clock.inverse_root / cpu.clock.inverse_root, 1.0, 1e-12);
  const bool rounded = cpu.weight.type() == ElementType::kBFloat16;
  for (int64_t i = 0; i < cpu.master.rows() * cpu.master.cols(); ++i) {
    ASSERT_NEAR(cuda.master.At(i), cpu.master.At(i), 1e-5) << i;
    // Next to the border between two bfloat16 numbers they may round to either.
    ASSERT_NEAR(cuda.weight.At(i), cuda.master.At(i), rounded ? 0.004 * std::abs(cuda.master.At(i)) : 0.0) << i;
    if (i % 3 != 0) continue;
    ASSERT_EQ(cuda.weight.At(i), 0.0) << i;
    ASSERT_FALSE(std::signbit(cuda.weight.At(i))) << i;
    ASSERT_EQ(cuda.second_moment.At(i), kRemoved) << i;
  }
}

TEST_P(AdamOnCuda, GivesTheSameBitsTwice) {
  const Outcome first = Train(true);
  const Outcome second = Train(true);
  EXPECT_EQ(first.weight.bytes(), second.weight.bytes());
  EXPECT_EQ(first.master.bytes(), second.master.bytes());
  EXPECT_EQ(first.second_moment.bytes(), second.second_moment.bytes());
}

TEST_P(AdamOnCuda, GradientsThatAreNotFiniteAreFound) {
  const auto& [type, size] = GetParam();
  const int64_t elements = size.rows * size.cols;
  for (const int64_t bad : {int64_t{-1}, int64_t{0}, elements - 1}) {
    TestMatrix gradient = TestMatrix::Random(type, size.rows, size.cols, 1);
    if (bad >= 0) gradient.Set(bad, INFINITY);
    CudaBuffer there(gradient.bytes().data(), gradient.bytes().size());
    CudaBuffer flags(3);
    const std::vector<int64_t> begin = {0, elements / 2, elements};
    bool* const finite = flags.As<bool>();
    ASSERT_TRUE(AllFinite(Device::Cuda(nullptr), type, there.data(), begin.data(), 2, finite + 1, finite).ok());
    bool found[3];
    flags.CopyTo(found);
    EXPECT_EQ(found[0], bad < 0) << bad;
    EXPECT_EQ(found[1], bad != 0) << bad;
    EXPECT_EQ(found[2], bad != elements - 1) << bad;
  }
}

INSTANTIATE_TEST_SUITE_P(All, AdamOnCuda,
                         testing::Combine(testing::Values(ElementType::kFloat32, ElementType::kBFloat16),
                                          testing::Values(Size{512, 1408}, Size{37, 191}, Size{1, 2})),
                         [](const auto& tested) {
                           const Size size = std::get<1>(tested.param);
                           return NameOf(std::get<0>(tested.param)) + "_" + std::to_string(size.rows) + "x" +
                                  std::to_string(size.cols);
                         });

}  // namespace
}  // namespace besa::kernels
