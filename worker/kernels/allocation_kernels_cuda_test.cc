// The CUDA kernels of allocation_kernels.h against their CPU twins over several steps, and twice for the same bits.
// Skipped without a GPU.
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "worker/kernels/allocation_kernels.h"
#include "worker/kernels/cuda_buffer.h"
#include "worker/kernels/kernels.h"

namespace besa::kernels {
namespace {

struct Case {
  const char* name;
  bool by_row;
  bool prior;
};

// Two linears of 300 rows of 77 and 41 rows of 512 columns.
constexpr int64_t kRows = 341;

class AllocationOnCuda : public testing::TestWithParam<Case> {
 protected:
  AllocationOnCuda() {
    for (int64_t row = 0; row < kRows; ++row) cols_.push_back(row < 300 ? 77 : 512);
    if (GetParam().by_row) {
      for (int32_t row = 0; row <= kRows; ++row) first_row_.push_back(row);
    } else {
      first_row_ = {0, 300, kRows};
    }
    groups_ = static_cast<int64_t>(first_row_.size()) - 1;
    const double all = 300 * 77 + 41 * 512;
    for (int64_t group = 0; group < groups_; ++group) {
      double weights = 0;
      for (int32_t row = first_row_[group]; row < first_row_[group + 1]; ++row) weights += cols_[row];
      share_.push_back(weights / all);
    }
    for (int d = 0; d < kCandidates; ++d) prior_.push_back(-std::pow(((100 - d) / 100.0 - 0.5) / 0.08, 2) / 2);
    std::mt19937 generator(7);
    std::normal_distribution<float> normal(0.0f, 1e-3f);
    for (int64_t i = 0; i < kRows * kCandidates; ++i) histogram_.push_back(normal(generator));
  }

  void SetUp() override {
    if (const std::string why = WhyNoGpu(); !why.empty()) GTEST_SKIP() << why;
  }

  struct Outcome {
    std::vector<double> beta;
    std::vector<int32_t> pruned = std::vector<int32_t>(kRows);
    double sparsity = 0;
    double d = 0;
  };

  // Allocates where the device does, and copies what it is given there.
  template <typename T>
  T* Take(const std::vector<T>& values, bool on_cuda) {
    buffers_.push_back(std::make_unique<CudaBuffer>(values.data(), values.size() * sizeof(T)));
    host_.push_back(std::vector<std::byte>(values.size() * sizeof(T)));
    std::memcpy(host_.back().data(), values.data(), host_.back().size());
    return reinterpret_cast<T*>(on_cuda ? buffers_.back()->data() : host_.back().data());
  }
  template <typename T>
  static void Read(const T* from, size_t count, bool on_cuda, T* to) {
    if (on_cuda) {
      CheckCuda(cudaMemcpy(to, from, count * sizeof(T), cudaMemcpyDeviceToHost));
    } else {
      std::memcpy(to, from, count * sizeof(T));
    }
  }

  // Ten steps against the same histogram.
  Outcome Train(bool on_cuda) {
    const Device device = on_cuda ? Device::Cuda(nullptr) : Device::Cpu();
    const int64_t count = groups_ * kCandidates;
    AllocationProblem problem = {.rows = kRows,
                                 .groups = groups_,
                                 .first_row = Take(first_row_, on_cuda),
                                 .cols = Take(cols_, on_cuda),
                                 .share = Take(share_, on_cuda),
                                 .prior = GetParam().prior ? Take(prior_, on_cuda) : nullptr};
    const std::vector<double> zeros(static_cast<size_t>(count));
    double* const beta = Take(zeros, on_cuda);
    double* const gradient = Take(zeros, on_cuda);
    double* const rate = Take(zeros, on_cuda);
    int32_t* const pruned = Take(std::vector<int32_t>(kRows), on_cuda);
    double* const sparsity = Take(std::vector<double>(1), on_cuda);
    bool* const finite = reinterpret_cast<bool*>(Take(std::vector<char>(3), on_cuda));
    float* const histogram = Take(histogram_, on_cuda);
    const ProdigyState state = {.first_moment = Take(zeros, on_cuda),
                                .second_moment = Take(zeros, on_cuda),
                                .gradient_sum = Take(zeros, on_cuda),
                                .d = Take(std::vector<double>{1e-6}, on_cuda),
                                .numerator = Take(std::vector<double>(1), on_cuda)};
    void* const scratch =
        Take(std::vector<double>(static_cast<size_t>(AllocationScratchBytes(problem) / 8 + 1)), on_cuda);
    const std::vector<int64_t> parts = {0, count / 3, count};
    for (int step = 0; step < 10; ++step) {
      EXPECT_TRUE(AllocationForward(device, problem, beta, rate, pruned, sparsity, scratch).ok());
      EXPECT_TRUE(AllocationBackward(device, problem, beta, rate, sparsity,
                                     ConstMatrix(histogram, ElementType::kFloat32, kRows, kCandidates), gradient,
                                     scratch)
                      .ok());
      EXPECT_TRUE(AllFinite(device, ElementType::kFloat64, gradient, parts.data(), 2, finite + 1, finite).ok());
      EXPECT_TRUE(ProdigyStep(device, {.d_coef = 50.0}, count, beta, gradient, finite, state, scratch).ok());
    }
    EXPECT_TRUE(AllocationForward(device, problem, beta, rate, pruned, sparsity, scratch).ok());
    Outcome outcome;
    outcome.beta.resize(static_cast<size_t>(count));
    Read(beta, outcome.beta.size(), on_cuda, outcome.beta.data());
    Read(pruned, kRows, on_cuda, outcome.pruned.data());
    Read(sparsity, 1, on_cuda, &outcome.sparsity);
    Read(state.d, 1, on_cuda, &outcome.d);
    return outcome;
  }

  std::vector<int32_t> cols_;
  std::vector<int32_t> first_row_;
  std::vector<double> share_;
  std::vector<double> prior_;
  std::vector<float> histogram_;
  int64_t groups_ = 0;
  std::vector<std::unique_ptr<CudaBuffer>> buffers_;
  std::vector<std::vector<std::byte>> host_;
};

TEST_P(AllocationOnCuda, TrainsAsOnTheCpu) {
  const Outcome cpu = Train(false);
  const Outcome cuda = Train(true);
  EXPECT_EQ(cuda.pruned, cpu.pruned);
  EXPECT_NEAR(cuda.sparsity, cpu.sparsity, 1e-12);
  EXPECT_NEAR(cuda.d / cpu.d, 1.0, 1e-9);
  EXPECT_GT(cpu.d, 2e-6);
  for (size_t i = 0; i < cpu.beta.size(); ++i) ASSERT_NEAR(cuda.beta[i], cpu.beta[i], 1e-9) << i;
}

TEST_P(AllocationOnCuda, GivesTheSameBitsTwice) {
  const Outcome first = Train(true);
  const Outcome second = Train(true);
  EXPECT_EQ(first.beta, second.beta);
  EXPECT_EQ(first.d, second.d);
}

TEST_P(AllocationOnCuda, SkipsAStepWithABadGradient) {
  histogram_[5 * kCandidates + 50] = NAN;
  const Outcome cuda = Train(true);
  EXPECT_EQ(cuda.d, 1e-6);
  for (const double beta : cuda.beta) ASSERT_EQ(beta, 0.0);
}

INSTANTIATE_TEST_SUITE_P(All, AllocationOnCuda,
                         testing::Values(Case{"row_prior", true, true}, Case{"row_paper", true, false},
                                         Case{"layer_prior", false, true}, Case{"layer_paper", false, false}),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace besa::kernels
