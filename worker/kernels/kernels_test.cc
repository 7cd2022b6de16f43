// What is refused, and the small counting kernels.
#include "worker/kernels/kernels.h"

#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

using testing::HasSubstr;

void ExpectRefused(const absl::Status& status, const std::string& message) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

TEST(Kernels, RefuseWhatIsOutOfRange) {
  const Device cpu = Device::Cpu();
  TestMatrix weight(ElementType::kFloat32, 2, 4);
  TestMatrix other(ElementType::kBFloat16, 2, 4);
  std::vector<uint16_t> order(8);
  std::vector<int32_t> k(2);
  std::vector<float> sums(4);
  std::vector<float> h(2 * kCandidates);

  ExpectRefused(AddColumnSquares(cpu, weight.View(), nullptr), "sums is null");
  ExpectRefused(AddColumnSquares(cpu, ConstMatrix(nullptr, ElementType::kFloat32, 1, 1), sums.data()), "x is null");
  ExpectRefused(AddColumnSquares(cpu, ConstMatrix(weight.data(), ElementType::kFloat32, 1, 0), sums.data()),
                "x is [1, 0]");
  ExpectRefused(
      RankRows(cpu, ConstMatrix(weight.data(), ElementType::kFloat32, 1, 65536), sums.data(), 1, order.data(), nullptr),
      "65536 columns; expected at most 65535");
  ExpectRefused(RankRows(cpu, weight.View(), sums.data(), 0, order.data(), nullptr), "samples is 0");
  ExpectRefused(RankRows(cpu, weight.View(), sums.data(), 1, nullptr, nullptr), "order is null");
  ExpectRefused(WriteMasked(cpu, weight.View(), order.data(), nullptr, weight.View()), "k is null");
  ExpectRefused(WriteMasked(cpu, weight.View(), order.data(), k.data(), other.View()),
                "out is bfloat16 [2, 4]; expected float32 [2, 4]");
  ExpectRefused(UpdateMasked(cpu, weight.View(), order.data(), k.data(), nullptr, weight.View()), "k_before is null");
  ExpectRefused(UpdateMasked(cpu, weight.View(), order.data(), k.data(), k.data(), weight.View()),
                "out is weight; expected a matrix of its own");
  ExpectRefused(BucketHistogram(cpu, weight.View(), other.View(), order.data(), h.data()),
                "gradient is bfloat16 [2, 4]; expected float32");
  ExpectRefused(BucketHistogram(cpu, weight.View(), weight.View(), order.data(), nullptr), "h is null");
}

TEST(Kernels, Float64IsForTheCpuAlone) {
  TestMatrix x(ElementType::kFloat64, 1, 1);
  double sum = 0;
  ExpectRefused(AddColumnSquares(Device::Cuda(nullptr), x.View(), &sum), "x is float64");
}

class Counts : public testing::TestWithParam<ElementType> {};

TEST_P(Counts, ZerosOfBothSignsAndNothingSmaller) {
  const double tiny = GetParam() == ElementType::kFloat64 ? 1e-310 : 1e-39;  // subnormal
  const auto matrix = TestMatrix::Of(GetParam(), 2, 3, {0.0, -0.0, tiny, -tiny, 1.0, 0.0});
  int64_t count = -1;
  ASSERT_TRUE(CountZeros(Device::Cpu(), matrix.View(), &count).ok());
  EXPECT_EQ(count, 3);
}

TEST_P(Counts, NonFiniteAreNaNAndInfinity) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const double most = GetParam() == ElementType::kFloat64 ? 1e308 : 3e38;
  const auto matrix = TestMatrix::Of(GetParam(), 1, 6, {nan, 1.0, infinity, -infinity, most, -nan});
  int64_t count = -1;
  ASSERT_TRUE(CountNonFinite(Device::Cpu(), matrix.View(), &count).ok());
  EXPECT_EQ(count, 4);
}

TEST_P(Counts, AddUpOverThreads) {
  auto matrix = TestMatrix::Random(GetParam(), 300, 1001, 9);
  for (int64_t i = 0; i < 300 * 1001; i += 7) matrix.Set(i, 0.0);
  int64_t count = -1;
  ASSERT_TRUE(CountZeros(ThreadedCpu(5), matrix.View(), &count).ok());
  EXPECT_EQ(count, 42900);
  ASSERT_TRUE(CountNonFinite(ThreadedCpu(5), matrix.View(), &count).ok());
  EXPECT_EQ(count, 0);
}

TEST(CountZeros, IsZeroOfNothing) {
  int64_t count = -1;
  ASSERT_TRUE(CountZeros(Device::Cpu(), ConstMatrix(nullptr, ElementType::kFloat32, 0, 5), &count).ok());
  EXPECT_EQ(count, 0);
}

INSTANTIATE_TEST_SUITE_P(Types, Counts,
                         testing::Values(ElementType::kFloat32, ElementType::kBFloat16, ElementType::kFloat64),
                         [](const auto& test) { return NameOf(test.param); });

}  // namespace
}  // namespace besa::kernels
