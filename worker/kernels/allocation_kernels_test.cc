// What the allocation's operations refuse, and the check for finite numbers.
#include "worker/kernels/allocation_kernels.h"

#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/kernels/kernels.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

void ExpectRefused(const absl::Status& status, const std::string& message) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(message));
}

TEST(AllocationKernels, RefuseWhatDoesNotFit) {
  const Device cpu = Device::Cpu();
  const std::vector<int32_t> first_row = {0, 1, 2};
  const std::vector<int32_t> cols = {4, 4};
  const std::vector<double> share = {0.5, 0.5};
  AllocationProblem problem = {
      .rows = 2, .groups = 2, .first_row = first_row.data(), .cols = cols.data(), .share = share.data()};
  std::vector<double> numbers(2 * kCandidates);
  std::vector<int32_t> pruned(2);
  double* x = numbers.data();
  TestMatrix histogram(ElementType::kFloat32, 2, 100);

  ExpectRefused(AllocationForward(cpu, problem, nullptr, x, pruned.data(), x, x), "beta is null");
  ExpectRefused(AllocationForward(cpu, problem, x, x, pruned.data(), x, nullptr), "scratch is null");
  ExpectRefused(AllocationBackward(cpu, problem, x, x, x, histogram.View(), x, x),
                "histogram is float32 [2, 100]; expected float32 [2, 101]");
  problem.sparsity = 1.0;
  ExpectRefused(AllocationForward(cpu, problem, x, x, pruned.data(), x, x), "problem.sparsity is 1");
  problem.rows = 1;
  ExpectRefused(AllocationForward(cpu, problem, x, x, pruned.data(), x, x), "2 groups of 1 rows");

  bool finite = false;
  const std::vector<int64_t> begin = {0, 3, 1};
  ExpectRefused(AllFinite(cpu, ElementType::kFloat64, x, begin.data(), 9, &finite, &finite),
                "parts is 9; expected 1 to 8");
  ExpectRefused(AllFinite(cpu, ElementType::kFloat64, x, begin.data(), 2, &finite, &finite), "begin falls");

  ExpectRefused(ProdigyStep(cpu, {}, 0, x, x, &finite, {}, x), "count is 0");
  ExpectRefused(ProdigyStep(cpu, {}, 1, x, x, &finite, {}, x), "state.first_moment is null");
}

TEST(AllFinite, TellsThePartsApart) {
  std::vector<double> x(1000, 1e308);
  const std::vector<int64_t> begin = {0, 100, 100, 701, 1000};
  bool finite[4];
  bool all = false;
  ASSERT_TRUE(AllFinite(Device::Cpu(), ElementType::kFloat64, x.data(), begin.data(), 4, finite, &all).ok());
  EXPECT_THAT(finite, testing::ElementsAre(true, true, true, true));
  EXPECT_TRUE(all);

  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
                           -std::numeric_limits<double>::infinity()}) {
    x[700] = bad;
    ASSERT_TRUE(AllFinite(Device::Cpu(), ElementType::kFloat64, x.data(), begin.data(), 4, finite, &all).ok());
    EXPECT_THAT(finite, testing::ElementsAre(true, true, false, true));
    EXPECT_FALSE(all);
  }
}

TEST(AllFinite, OfEveryTypeAndInThreads) {
  constexpr int64_t kSize = 300'001;
  const std::vector<int64_t> begin = {0, 5, kSize};
  for (const ElementType type : kAllTypes) {
    TestMatrix x = TestMatrix::Random(type, 1, kSize, 1);
    bool finite[2];
    bool all = false;
    ASSERT_TRUE(AllFinite(ThreadedCpu(3), type, x.data(), begin.data(), 2, finite, &all).ok());
    EXPECT_TRUE(finite[0] && finite[1] && all) << NameOf(type);
    x.Set(kSize - 1, std::numeric_limits<double>::infinity());
    ASSERT_TRUE(AllFinite(ThreadedCpu(3), type, x.data(), begin.data(), 2, finite, &all).ok());
    EXPECT_TRUE(finite[0]);
    EXPECT_FALSE(finite[1] || all) << NameOf(type);
  }
}

}  // namespace
}  // namespace besa::kernels
