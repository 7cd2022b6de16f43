#include "worker/pruner/host_mask.h"

#include <gtest/gtest.h>

#include <cstring>

namespace besa::pruner {
namespace {

template <typename T>
storage::HostTensor Matrix(storage::DType dtype, int64_t rows, int64_t cols, const std::vector<T>& values) {
  storage::HostTensor tensor{.name = "w", .dtype = dtype, .shape = {rows, cols}};
  tensor.bytes.resize(values.size() * sizeof(T));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

template <typename T>
std::vector<T> Values(const storage::HostTensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

TEST(HostMask, EachRowLosesItsOwnCountInOrderOfImportance) {
  storage::HostTensor tensor = Matrix<float>(storage::DType::kF32, 2, 3, {1, -2, 3, 4, 5, -6});
  const std::vector<uint16_t> order = {1, 0, 2, 2, 1, 0};
  const std::vector<int32_t> pruned = {1, 2};
  ZeroLeastImportant(tensor, order, pruned);
  EXPECT_EQ(Values<float>(tensor), (std::vector<float>{1, 0, 3, 4, 0, 0}));
  EXPECT_EQ(CountZeros(tensor), 3);
}

TEST(HostMask, NegativeWeightsBecomePlusZeroAndKeptBitsStay) {
  // -1, a NaN pattern with payload, -0, a subnormal: whatever is kept is not touched.
  storage::HostTensor tensor = Matrix<uint16_t>(storage::DType::kBF16, 1, 4, {0xbf80, 0x7fa5, 0x8000, 0x0001});
  const std::vector<uint16_t> order = {0, 1, 2, 3};
  const std::vector<int32_t> pruned = {1};
  ZeroLeastImportant(tensor, order, pruned);
  EXPECT_EQ(Values<uint16_t>(tensor), (std::vector<uint16_t>{0x0000, 0x7fa5, 0x8000, 0x0001}));
  EXPECT_EQ(CountZeros(tensor), 2);
}

TEST(HostMask, DoublesToo) {
  storage::HostTensor tensor = Matrix<double>(storage::DType::kF64, 1, 2, {-1.5, 2.5});
  ZeroLeastImportant(tensor, std::vector<uint16_t>{1, 0}, std::vector<int32_t>{2});
  EXPECT_EQ(Values<uint64_t>(tensor), (std::vector<uint64_t>{0, 0}));
}

}  // namespace
}  // namespace besa::pruner
