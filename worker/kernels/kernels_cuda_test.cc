// Every CUDA kernel against its CPU twin, on fresh random numbers (BESA_SEED repeats a run). Skipped without a GPU.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "worker/kernels/cuda_buffer.h"
#include "worker/kernels/kernels.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

uint32_t Seed() {
  static const uint32_t seed = [] {
    const char* given = std::getenv("BESA_SEED");
    return given != nullptr ? static_cast<uint32_t>(std::stoul(given)) : std::random_device()();
  }();
  return seed;
}

// Random bytes are cheap; the shape of the distribution matters little.
TestMatrix Uniform(ElementType type, int64_t rows, int64_t cols, uint32_t salt) {
  std::mt19937 generator(Seed() + salt);
  TestMatrix matrix(type, rows, cols);
  for (int64_t i = 0; i < rows * cols; ++i) matrix.Set(i, static_cast<int32_t>(generator()) * 0x1p-31);
  return matrix;
}

// Weights with duplicates and zeros, so that ties matter, and one row of all the same.
TestMatrix Weights(ElementType type, int64_t rows, int64_t cols) {
  TestMatrix weight = Uniform(type, rows, cols, 1);
  std::mt19937 generator(Seed() + 2);
  for (int64_t i = 0; i < rows * cols; i += 1 + generator() % 8) weight.Set(i, static_cast<int>(generator() % 5) - 2);
  if (rows > 1) {
    for (int64_t c = 0; c < cols; ++c) weight.Set(c, 0.5);
  }
  return weight;
}

using Shape = std::tuple<ElementType, std::pair<int64_t, int64_t>>;

class CudaKernels : public testing::TestWithParam<Shape> {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoGpu(); !why.empty()) GTEST_SKIP() << why;
    RecordProperty("seed", std::to_string(Seed()));
    std::tie(rows_, cols_) = std::get<1>(GetParam());
  }

  static std::unique_ptr<CudaBuffer> Upload(const TestMatrix& matrix) {
    return std::make_unique<CudaBuffer>(matrix.bytes().data(), matrix.bytes().size());
  }
  ConstMatrix On(CudaBuffer& buffer) const { return ConstMatrix(buffer.data(), type_, rows_, cols_); }

  // The permutation that the CPU twin gives for the weights, with some equal norms.
  std::vector<uint16_t> Order(const TestMatrix& weight, const TestMatrix& sums) const {
    std::vector<uint16_t> order(rows_ * cols_);
    EXPECT_TRUE(RankRows(cpu_, weight.View(), sums.View().data, 8, order.data(), nullptr).ok());
    return order;
  }
  TestMatrix Sums() const {
    TestMatrix sums = Uniform(ElementType::kFloat32, 1, cols_, 3);
    for (int64_t c = 0; c < cols_; ++c) sums.Set(c, c % 3 == 0 ? 1.0 : std::abs(sums.At(c)));
    return sums;
  }

  ElementType type_ = std::get<0>(GetParam());
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  Device cpu_ = ThreadedCpu(16);
  Device gpu_ = Device::Cuda(nullptr);
};

TEST_P(CudaKernels, RankRowsEqualsTheTwin) {
  const TestMatrix weight = Weights(type_, rows_, cols_);
  const TestMatrix sums = Sums();
  const std::vector<uint16_t> expected = Order(weight, sums);
  auto weight_on = Upload(weight);
  auto sums_on = Upload(sums);
  CudaBuffer order_on(expected.size() * 2);
  CudaBuffer rank_on(expected.size() * 2);
  const auto status =
      RankRows(gpu_, On(*weight_on), sums_on->data(), 8, order_on.As<uint16_t>(), rank_on.As<uint16_t>());
  ASSERT_TRUE(status.ok()) << status;
  std::vector<uint16_t> order(expected.size());
  std::vector<uint16_t> rank(expected.size());
  order_on.CopyTo(order.data());
  rank_on.CopyTo(rank.data());
  const auto differ = std::mismatch(order.begin(), order.end(), expected.begin());
  ASSERT_TRUE(order == expected) << "at " << differ.first - order.begin();
  for (int64_t r = 0; r < rows_; ++r) {
    for (int64_t j = 0; j < cols_; ++j) ASSERT_EQ(rank[r * cols_ + order[r * cols_ + j]], j);
  }
}

TEST_P(CudaKernels, WriteMaskedEqualsTheTwin) {
  const TestMatrix weight = Weights(type_, rows_, cols_);
  const std::vector<uint16_t> order = Order(weight, Sums());
  std::vector<int32_t> k(rows_);
  std::mt19937 generator(Seed() + 4);
  for (int32_t& count : k) count = static_cast<int32_t>(generator() % (cols_ + 3)) - 1;
  TestMatrix expected(type_, rows_, cols_);
  ASSERT_TRUE(WriteMasked(cpu_, weight.View(), order.data(), k.data(), expected.View()).ok());

  auto weight_on = Upload(weight);
  CudaBuffer order_on(order.data(), order.size() * 2);
  CudaBuffer k_on(k.data(), k.size() * 4);
  CudaBuffer out_on(weight.bytes().size());
  TestMatrix out(type_, rows_, cols_);
  const auto write = [&](CudaBuffer& to) {
    const auto status = WriteMasked(gpu_, On(*weight_on), order_on.As<uint16_t>(), k_on.As<int32_t>(),
                                    Matrix{to.data(), type_, rows_, cols_});
    EXPECT_TRUE(status.ok()) << status;
    to.CopyTo(out.data());
  };
  write(out_on);
  ASSERT_TRUE(out.bytes() == expected.bytes());
  write(*weight_on);
  ASSERT_TRUE(out.bytes() == expected.bytes()) << "in place";
}

TEST_P(CudaKernels, UpdateMaskedEqualsTheTwin) {
  const TestMatrix weight = Weights(type_, rows_, cols_);
  const std::vector<uint16_t> order = Order(weight, Sums());
  auto weight_on = Upload(weight);
  CudaBuffer order_on(order.data(), order.size() * 2);
  CudaBuffer out_on(weight.bytes().size());
  std::vector<int32_t> before(rows_, -1);
  CudaBuffer before_on(before.data(), before.size() * 4);
  TestMatrix expected(type_, rows_, cols_);
  std::mt19937 generator(Seed() + 9);
  // At first anything; then near it, and some rows as they are.
  std::vector<int32_t> k(rows_);
  for (int32_t& count : k) count = static_cast<int32_t>(generator() % (cols_ + 3)) - 1;
  for (int step = 0; step < 4; ++step) {
    CudaBuffer k_on(k.data(), k.size() * 4);
    ASSERT_TRUE(UpdateMasked(cpu_, weight.View(), order.data(), k.data(), before.data(), expected.View()).ok());
    const auto status = UpdateMasked(gpu_, On(*weight_on), order_on.As<uint16_t>(), k_on.As<int32_t>(),
                                     before_on.As<int32_t>(), Matrix{out_on.data(), type_, rows_, cols_});
    ASSERT_TRUE(status.ok()) << status;
    TestMatrix out(type_, rows_, cols_);
    out_on.CopyTo(out.data());
    ASSERT_TRUE(out.bytes() == expected.bytes()) << "step " << step;
    std::vector<int32_t> before_there(rows_);
    before_on.CopyTo(before_there.data());
    ASSERT_EQ(before_there, before);
    for (int32_t& count : k) count += static_cast<int32_t>(generator() % 201) / 2 - 50;
  }
}

TEST_P(CudaKernels, BucketHistogramEqualsTheTwinAndItself) {
  const TestMatrix weight = Weights(type_, rows_, cols_);
  const TestMatrix gradient = Uniform(type_, rows_, cols_, 5);
  const std::vector<uint16_t> order = Order(weight, Sums());
  TestMatrix expected(ElementType::kFloat32, rows_, kCandidates);
  ASSERT_TRUE(BucketHistogram(cpu_, weight.View(), gradient.View(), order.data(), expected.data()).ok());

  auto weight_on = Upload(weight);
  auto gradient_on = Upload(gradient);
  CudaBuffer order_on(order.data(), order.size() * 2);
  TestMatrix h(ElementType::kFloat32, rows_, kCandidates);
  TestMatrix again(ElementType::kFloat32, rows_, kCandidates);
  for (TestMatrix* result : {&h, &again}) {
    CudaBuffer h_on(expected.bytes().size());
    const auto status = BucketHistogram(gpu_, On(*weight_on), On(*gradient_on), order_on.As<uint16_t>(), h_on.data());
    ASSERT_TRUE(status.ok()) << status;
    h_on.CopyTo(result->data());
  }
  EXPECT_TRUE(h.bytes() == again.bytes());
  for (int64_t r = 0; r < rows_; ++r) {
    for (int d = 0; d < kCandidates; ++d) {
      const int64_t begin = d + 1 < kCandidates ? CandidateCount(cols_, d + 1) : 0;
      double magnitude = 0;
      for (int64_t j = begin; j < CandidateCount(cols_, d); ++j) {
        const int64_t i = r * cols_ + order[r * cols_ + j];
        magnitude += std::abs(weight.At(i) * gradient.At(i));
      }
      // One rounding for each addition on the way to the result, one for each product, one for the twin's result.
      const double additions = static_cast<double>((CandidateCount(cols_, d) - begin) / 4 + 8);
      ASSERT_NEAR(h.At(r, d), expected.At(r, d), additions * 0x1p-24 * magnitude) << "row " << r << " bucket " << d;
    }
  }
}

TEST_P(CudaKernels, AddColumnSquaresEqualsTheTwinAndItself) {
  const TestMatrix x = Uniform(type_, rows_, cols_, 6);
  const TestMatrix start = Sums();
  TestMatrix expected = start;
  ASSERT_TRUE(AddColumnSquares(cpu_, x.View(), expected.data()).ok());
  auto x_on = Upload(x);
  TestMatrix sums = start;
  TestMatrix again = start;
  for (TestMatrix* result : {&sums, &again}) {
    auto sums_on = Upload(start);
    const auto status = AddColumnSquares(gpu_, On(*x_on), sums_on->data());
    ASSERT_TRUE(status.ok()) << status;
    sums_on->CopyTo(result->data());
  }
  EXPECT_TRUE(sums.bytes() == again.bytes());
  const double additions = static_cast<double>(rows_ / 64 + 10);
  for (int64_t c = 0; c < cols_; ++c) {
    ASSERT_NEAR(sums.At(c), expected.At(c), additions * 0x1p-24 * expected.At(c)) << "column " << c;
  }
}

TEST_P(CudaKernels, CountsEqualTheTwin) {
  TestMatrix matrix = Weights(type_, rows_, cols_);
  std::mt19937 generator(Seed() + 7);
  for (int64_t i = 0; i < rows_ * cols_; i += 1 + generator() % 100) matrix.Set(i, generator() % 2 ? NAN : -INFINITY);
  auto matrix_on = Upload(matrix);
  for (const auto count_of : {CountZeros, CountNonFinite}) {
    int64_t expected = 0;
    ASSERT_TRUE(count_of(cpu_, matrix.View(), &expected).ok());
    CudaBuffer count_on(sizeof(int64_t));
    const auto status = count_of(gpu_, On(*matrix_on), count_on.As<int64_t>());
    ASSERT_TRUE(status.ok()) << status;
    int64_t count = -1;
    count_on.CopyTo(&count);
    EXPECT_EQ(count, expected);
  }
}

std::string NameOfShape(const testing::TestParamInfo<Shape>& info) {
  const auto& [type, shape] = info.param;
  return NameOf(type) + "_" + std::to_string(shape.first) + "x" + std::to_string(shape.second);
}

const auto kTypes = testing::Values(ElementType::kFloat32, ElementType::kBFloat16);

// Every way through the kernels: one column, odd widths without vectors, each sort, rows beyond shared memory.
INSTANTIATE_TEST_SUITE_P(
    Small, CudaKernels,
    testing::Combine(kTypes, testing::Values(std::pair<int64_t, int64_t>{1, 1}, std::pair{3, 7}, std::pair{130, 8},
                                             std::pair{5, 192}, std::pair{64, 512}, std::pair{7, 1001},
                                             std::pair{4, 8192}, std::pair{2, 1028}, std::pair{3, 4096})),
    NameOfShape);
INSTANTIATE_TEST_SUITE_P(Wide, CudaKernels,
                         testing::Combine(kTypes, testing::Values(std::pair<int64_t, int64_t>{3, 11008},
                                                                  std::pair{2, 16385}, std::pair{9, 28672},
                                                                  std::pair{2, 40000}, std::pair{2, 65535})),
                         NameOfShape);
INSTANTIATE_TEST_SUITE_P(Full, CudaKernels,
                         testing::Combine(testing::Values(ElementType::kBFloat16),
                                          testing::Values(std::pair<int64_t, int64_t>{4096, 11008},
                                                          std::pair{11008, 4096})),
                         NameOfShape);

TEST(CudaGraph, HoldsEveryKernel) {
  if (const std::string why = WhyNoGpu(); !why.empty()) GTEST_SKIP() << why;
  constexpr int64_t kRows = 5;
  constexpr int64_t kCols = 28672;  // needs more shared memory than a block gets unasked
  const TestMatrix weight = Uniform(ElementType::kBFloat16, kRows, kCols, 8);
  const std::vector<int32_t> k(kRows, kCols / 3);
  CudaBuffer weight_on(weight.bytes().data(), weight.bytes().size());
  CudaBuffer k_on(k.data(), k.size() * sizeof(int32_t));
  CudaBuffer sums_on(kCols * sizeof(float));
  CudaBuffer order_on(kRows * kCols * sizeof(uint16_t));
  CudaBuffer out_on(weight.bytes().size());
  CudaBuffer updated_on(weight.bytes().size());
  const std::vector<int32_t> unknown(kRows, -1);
  CudaBuffer before_on(unknown.data(), unknown.size() * sizeof(int32_t));
  CudaBuffer h_on(kRows * kCandidates * sizeof(float));
  CudaBuffer zeros_on(sizeof(int64_t));
  CheckCuda(cudaMemset(sums_on.data(), 0, kCols * sizeof(float)));
  CheckCuda(cudaDeviceSynchronize());

  cudaStream_t stream = nullptr;
  CheckCuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  CheckCuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  const Device device = Device::Cuda(stream);
  const ConstMatrix w(weight_on.data(), ElementType::kBFloat16, kRows, kCols);
  const Matrix out{out_on.data(), ElementType::kBFloat16, kRows, kCols};
  const Matrix updated{updated_on.data(), ElementType::kBFloat16, kRows, kCols};
  EXPECT_TRUE(AddColumnSquares(device, w, sums_on.data()).ok());
  EXPECT_TRUE(RankRows(device, w, sums_on.data(), 1, order_on.As<uint16_t>(), nullptr).ok());
  EXPECT_TRUE(WriteMasked(device, w, order_on.As<uint16_t>(), k_on.As<int32_t>(), out).ok());
  EXPECT_TRUE(
      UpdateMasked(device, w, order_on.As<uint16_t>(), k_on.As<int32_t>(), before_on.As<int32_t>(), updated).ok());
  EXPECT_TRUE(BucketHistogram(device, w, w, order_on.As<uint16_t>(), h_on.data()).ok());
  EXPECT_TRUE(CountZeros(device, out, zeros_on.As<int64_t>()).ok());
  cudaGraph_t graph = nullptr;
  CheckCuda(cudaStreamEndCapture(stream, &graph));
  cudaGraphExec_t program = nullptr;
  CheckCuda(cudaGraphInstantiate(&program, graph, 0));
  CheckCuda(cudaGraphLaunch(program, stream));
  CheckCuda(cudaGraphLaunch(program, stream));
  CheckCuda(cudaStreamSynchronize(stream));

  int64_t own_zeros = 0;
  ASSERT_TRUE(CountZeros(Device::Cpu(), weight.View(), &own_zeros).ok());
  int64_t zeros = -1;
  zeros_on.CopyTo(&zeros);
  // Zeros of the weight itself are the least important, so they are among those removed.
  EXPECT_LT(own_zeros, kRows * (kCols / 3));
  EXPECT_EQ(zeros, kRows * (kCols / 3));
  CheckCuda(cudaGraphExecDestroy(program));
  CheckCuda(cudaGraphDestroy(graph));
  CheckCuda(cudaStreamDestroy(stream));
}

TEST(CudaErrors, ALaunchWithoutADeviceIsReported) {
  if (const std::string why = WhyNoGpu(); why.empty()) GTEST_SKIP() << "there is a GPU";
  TestMatrix x(ElementType::kFloat32, 4, 4);
  std::vector<float> sums(4);
  const auto status = AddColumnSquares(Device::Cuda(nullptr), x.View(), sums.data());
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_NE(status.message().find("ColumnSquares"), absl::string_view::npos) << status;
}

}  // namespace
}  // namespace besa::kernels
