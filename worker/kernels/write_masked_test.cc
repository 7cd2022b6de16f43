#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "worker/kernels/kernels.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

std::vector<double> Values(const TestMatrix& matrix) {
  std::vector<double> values;
  for (int64_t i = 0; i < matrix.rows() * matrix.cols(); ++i) values.push_back(matrix.At(i));
  return values;
}

TEST(WriteMasked, RemovesTheFirstRanksOfEachRow) {
  const auto weight = TestMatrix::Of(ElementType::kFloat32, 3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  const std::vector<uint16_t> order = {2, 0, 1, /**/ 0, 1, 2, /**/ 1, 2, 0};
  const std::vector<int32_t> k = {1, 0, 2};
  TestMatrix out(ElementType::kFloat32, 3, 3);
  out.Poison();
  ASSERT_TRUE(WriteMasked(Device::Cpu(), weight.View(), order.data(), k.data(), out.View()).ok());
  EXPECT_EQ(Values(out), (std::vector<double>{1, 2, 0, 4, 5, 6, 7, 0, 0}));
}

TEST(WriteMasked, CountsBeyondTheRowKeepOrClearItAll) {
  auto weight = TestMatrix::Of(ElementType::kFloat64, 2, 2, {1, 2, 3, 4});
  const std::vector<uint16_t> order = {0, 1, 1, 0};
  const std::vector<int32_t> k = {-5, 1000};
  ASSERT_TRUE(WriteMasked(Device::Cpu(), weight.View(), order.data(), k.data(), weight.View()).ok());
  EXPECT_EQ(Values(weight), (std::vector<double>{1, 2, 0, 0}));
}

TEST(WriteMasked, KeepsBitsAndRemovesWhateverTheValue) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const ElementType type : {ElementType::kFloat32, ElementType::kBFloat16, ElementType::kFloat64}) {
    const auto weight = TestMatrix::Of(type, 1, 4, {nan, -0.0, nan, -1.0});
    const std::vector<uint16_t> order = {2, 3, 0, 1};
    const std::vector<int32_t> k = {2};
    TestMatrix out(type, 1, 4);
    out.Poison();
    ASSERT_TRUE(WriteMasked(Device::Cpu(), weight.View(), order.data(), k.data(), out.View()).ok());
    const size_t half = weight.bytes().size() / 2;
    EXPECT_TRUE(std::equal(weight.bytes().begin(), weight.bytes().begin() + half, out.bytes().begin())) << NameOf(type);
    EXPECT_EQ(std::vector<std::byte>(out.bytes().begin() + half, out.bytes().end()), std::vector<std::byte>(half));
  }
}

TEST(WriteMasked, AgreesWithRanksOnOddShapes) {
  for (const ElementType type : {ElementType::kFloat32, ElementType::kBFloat16, ElementType::kFloat64}) {
    for (const int64_t cols : {1, 7, 192, 1001}) {
      constexpr int64_t kRows = 40;
      const auto weight = TestMatrix::Random(type, kRows, cols, 3);
      TestMatrix sums(AccumulatorType(type), 1, cols);
      for (int64_t c = 0; c < cols; ++c) sums.Set(c, static_cast<double>(1 + c % 5));
      std::vector<uint16_t> order(kRows * cols);
      std::vector<uint16_t> rank(kRows * cols);
      ASSERT_TRUE(RankRows(Device::Cpu(), weight.View(), sums.data(), 1, order.data(), rank.data()).ok());
      std::vector<int32_t> k(kRows);
      for (int64_t r = 0; r < kRows; ++r) k[r] = static_cast<int32_t>(r * cols / (kRows - 1));
      TestMatrix out(type, kRows, cols);
      out.Poison();
      ASSERT_TRUE(WriteMasked(ThreadedCpu(4), weight.View(), order.data(), k.data(), out.View()).ok());
      for (int64_t r = 0; r < kRows; ++r) {
        for (int64_t c = 0; c < cols; ++c) {
          ASSERT_EQ(out.At(r, c), rank[r * cols + c] >= k[r] ? weight.At(r, c) : 0.0);
        }
      }
    }
  }
}

TEST(UpdateMasked, WritesWhatChangedAndNothingElse) {
  const auto weight = TestMatrix::Of(ElementType::kFloat32, 4, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  const std::vector<uint16_t> order = {2, 0, 1, /**/ 0, 1, 2, /**/ 1, 2, 0, /**/ 0, 2, 1};
  std::vector<int32_t> before = {1, 3, 2, -1};
  // What is not to be written: 70 and above.
  auto out = TestMatrix::Of(ElementType::kFloat32, 4, 3, {70, 71, 0, 0, 0, 0, 72, 0, 0, 73, 74, 75});
  const std::vector<int32_t> k = {2, 1, 2, 1};
  ASSERT_TRUE(UpdateMasked(Device::Cpu(), weight.View(), order.data(), k.data(), before.data(), out.View()).ok());
  EXPECT_EQ(Values(out), (std::vector<double>{0, 71, 0, 0, 5, 6, 72, 0, 0, 0, 11, 12}));
  EXPECT_EQ(before, k);
}

// Step after step, in every type, whatever k is.
TEST(UpdateMasked, IsWhatWriteMaskedWrites) {
  for (const ElementType type : {ElementType::kFloat32, ElementType::kBFloat16, ElementType::kFloat64}) {
    for (const int64_t cols : {1, 7, 1001}) {
      constexpr int64_t kRows = 40;
      const auto weight = TestMatrix::Random(type, kRows, cols, 3);
      std::mt19937 generator(4);
      std::vector<uint16_t> order;
      for (int64_t r = 0; r < kRows; ++r) {
        std::vector<uint16_t> columns(cols);
        std::iota(columns.begin(), columns.end(), 0);
        std::shuffle(columns.begin(), columns.end(), generator);
        order.insert(order.end(), columns.begin(), columns.end());
      }
      std::vector<int32_t> before(kRows, -1);
      TestMatrix out(type, kRows, cols);
      out.Poison();
      for (int step = 0; step < 5; ++step) {
        std::vector<int32_t> k(kRows);
        for (int32_t& count : k) count = static_cast<int32_t>(generator() % (cols + 5)) - 2;
        ASSERT_TRUE(
            UpdateMasked(ThreadedCpu(4), weight.View(), order.data(), k.data(), before.data(), out.View()).ok());
        TestMatrix expected(type, kRows, cols);
        ASSERT_TRUE(WriteMasked(Device::Cpu(), weight.View(), order.data(), k.data(), expected.View()).ok());
        ASSERT_TRUE(out.bytes() == expected.bytes()) << NameOf(type) << " " << cols << " step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace besa::kernels
