#include "cost/device_profile.h"

#include <gtest/gtest.h>

#include "cost/block_flops.h"

namespace besa::cost {
namespace {

BlockShape Shape7B() { return {.hidden = 4096, .intermediate = 11008, .heads = 32, .kv_heads = 32, .head_dim = 128}; }
BlockShape Shape70B() { return {.hidden = 8192, .intermediate = 28672, .heads = 64, .kv_heads = 8, .head_dim = 128}; }

double StatisticsSeconds(const DeviceProfile& device, const BlockShape& shape) {
  return ForwardFlops(shape, 128, 2048) / device.forward;
}
double TrainSeconds(const DeviceProfile& device, const BlockShape& shape) {
  return TrainingFlops(shape, 128, 2048) / device.training;
}

// The rows of "A block on a GPU" in docs/benchmarks.md.
TEST(KnownDevice, AnH200TakesWhatWasMeasured) {
  EXPECT_NEAR(StatisticsSeconds(*KnownDevice("h200", Shape7B().TotalWeights(), 2), Shape7B()), 0.184, 0.002);
  EXPECT_NEAR(TrainSeconds(*KnownDevice("h200", Shape7B().TotalWeights(), 2), Shape7B()), 0.604, 0.006);
  EXPECT_NEAR(TrainSeconds(*KnownDevice("h200", Shape7B().TotalWeights(), 1), Shape7B()), 0.673, 0.007);
  EXPECT_NEAR(StatisticsSeconds(*KnownDevice("h200", Shape70B().TotalWeights(), 2), Shape70B()), 0.744, 0.008);
  EXPECT_NEAR(TrainSeconds(*KnownDevice("h200", Shape70B().TotalWeights(), 2), Shape70B()), 2.378, 0.024);
  EXPECT_NEAR(TrainSeconds(*KnownDevice("h200", Shape70B().TotalWeights(), 1), Shape70B()), 2.603, 0.026);
}

// The table's third shape, of which the profile knows nothing.
TEST(KnownDevice, AShapeInBetweenIsMet) {
  const BlockShape shape = {.hidden = 4096, .intermediate = 14336, .heads = 32, .kv_heads = 8, .head_dim = 128};
  const DeviceProfile device = *KnownDevice("NVIDIA H200", shape.TotalWeights(), 2);
  EXPECT_NEAR(StatisticsSeconds(device, shape), 0.197, 0.02);
  EXPECT_NEAR(TrainSeconds(device, shape), 0.665, 0.04);
}

TEST(KnownDevice, IsFoundByKindOrModelAndSaysWhatItRestsOn) {
  EXPECT_EQ(KnownDevice("NVIDIA H100 80GB HBM3", Shape7B().TotalWeights(), 2)->model, "NVIDIA H100");
  EXPECT_TRUE(KnownDevice("h100", Shape7B().TotalWeights(), 2)->cuda);
  EXPECT_EQ(KnownDevice("h100", Shape7B().TotalWeights(), 2)->basis.size(), 2U);
  EXPECT_FALSE(KnownDevice("cpu", Shape7B().TotalWeights(), 2)->cuda);
  EXPECT_FALSE(KnownDevice("AMD EPYC 9R14", Shape7B().TotalWeights(), 2).has_value());
  EXPECT_FALSE(KnownDevice("", Shape7B().TotalWeights(), 2).has_value());
}

TEST(SolvingFlops, OfATinyBlockByHand) {
  // Groups of 2 x 2, 2 x 2, 8 x 2 and 2 x 4 [rows, cols], 10 tokens.
  const BlockShape shape = {.hidden = 2, .intermediate = 4, .heads = 1, .kv_heads = 0, .head_dim = 2};
  const double products = 2 * 10 * (4 + 4 + 4 + 16);
  const double factors = 8.0 / 3 * (8 + 8 + 8 + 64);
  const double updates = 2 * 4 + 2 * 4 + 8 * 4 + 2 * 16;
  EXPECT_DOUBLE_EQ(SolvingFlops(shape, 2, 5), products + factors + updates);
}

}  // namespace
}  // namespace besa::cost
