#include <cmath>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/kernels/kernels.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

TEST(AddColumnSquares, AddsToWhatIsThere) {
  const auto x = TestMatrix::Of(ElementType::kFloat32, 2, 3, {1, 2, 3, 4, 5, 6});
  std::vector<float> sums = {100, 0, 1};
  ASSERT_TRUE(AddColumnSquares(Device::Cpu(), x.View(), sums.data()).ok());
  EXPECT_THAT(sums, testing::ElementsAre(117, 29, 46));
}

TEST(AddColumnSquares, NoTokensAddNothing) {
  std::vector<float> sums = {1, 2};
  ASSERT_TRUE(AddColumnSquares(Device::Cpu(), ConstMatrix(nullptr, ElementType::kFloat32, 0, 2), sums.data()).ok());
  EXPECT_THAT(sums, testing::ElementsAre(1, 2));
}

class AddColumnSquaresOfType : public testing::TestWithParam<ElementType> {};

TEST_P(AddColumnSquaresOfType, EqualsThePlainSum) {
  for (const auto& [rows, cols] : std::vector<std::pair<int, int>>{{1, 1}, {257, 1}, {64, 63}, {33, 192}, {2048, 65}}) {
    const auto x = TestMatrix::Random(GetParam(), rows, cols, rows + cols);
    auto sums = TestMatrix(AccumulatorType(GetParam()), 1, cols);
    ASSERT_TRUE(AddColumnSquares(Device::Cpu(), x.View(), sums.data()).ok());
    for (int c = 0; c < cols; ++c) {
      double expected = 0;
      for (int r = 0; r < rows; ++r) expected += x.At(r, c) * x.At(r, c);
      const double epsilon = GetParam() == ElementType::kFloat64 ? 1e-14 : 1e-7;
      EXPECT_NEAR(sums.At(c), expected, epsilon * expected) << rows << "x" << cols << " column " << c;
    }
  }
}

TEST_P(AddColumnSquaresOfType, DoesNotDependOnThreads) {
  const auto x = TestMatrix::Random(GetParam(), 500, 1000, 1);
  auto serial = TestMatrix(AccumulatorType(GetParam()), 1, 1000);
  auto threaded = serial;
  ASSERT_TRUE(AddColumnSquares(Device::Cpu(), x.View(), serial.data()).ok());
  ASSERT_TRUE(AddColumnSquares(ThreadedCpu(7), x.View(), threaded.data()).ok());
  EXPECT_EQ(serial.bytes(), threaded.bytes());
}

INSTANTIATE_TEST_SUITE_P(Types, AddColumnSquaresOfType,
                         testing::Values(ElementType::kFloat32, ElementType::kBFloat16, ElementType::kFloat64),
                         [](const auto& test) { return NameOf(test.param); });

}  // namespace
}  // namespace besa::kernels
