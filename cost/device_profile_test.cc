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
double TrainSeconds(const DeviceProfile& device, const BlockShape& shape, int batch) {
  return TrainingFlops(shape, 128, 2048) / device.training + 128 / batch * device.training_step_seconds;
}

// The rows of "A block on a GPU" in docs/benchmarks.md.
TEST(KnownDevice, AnH200TakesWhatWasMeasured) {
  const DeviceProfile of_7b = *KnownDevice("h200", Shape7B().TotalWeights());
  EXPECT_NEAR(StatisticsSeconds(of_7b, Shape7B()), 0.184, 0.002);
  EXPECT_NEAR(TrainSeconds(of_7b, Shape7B(), 2), 0.604, 0.006);
  EXPECT_NEAR(TrainSeconds(of_7b, Shape7B(), 1), 0.673, 0.007);
  const DeviceProfile of_70b = *KnownDevice("h200", Shape70B().TotalWeights());
  EXPECT_NEAR(StatisticsSeconds(of_70b, Shape70B()), 0.744, 0.008);
  EXPECT_NEAR(TrainSeconds(of_70b, Shape70B(), 2), 2.378, 0.024);
  EXPECT_NEAR(TrainSeconds(of_70b, Shape70B(), 1), 2.603, 0.026);
}

// The table's third shape, of which the profile knows nothing.
TEST(KnownDevice, AShapeInBetweenIsMet) {
  const BlockShape shape = {.hidden = 4096, .intermediate = 14336, .heads = 32, .kv_heads = 8, .head_dim = 128};
  const DeviceProfile device = *KnownDevice("NVIDIA H200", shape.TotalWeights());
  EXPECT_NEAR(StatisticsSeconds(device, shape), 0.197, 0.002);
  EXPECT_NEAR(TrainSeconds(device, shape, 2), 0.665, 0.007);
}

// "Small blocks": books-llama-28m, 512 windows of 512, four a step.
TEST(KnownDevice, AStepOfASmallBlockIsBoundByLaunches) {
  const BlockShape shape = {.hidden = 512, .intermediate = 1408, .heads = 8, .kv_heads = 4, .head_dim = 64};
  const DeviceProfile device = *KnownDevice("h200", shape.TotalWeights());
  const double step = TrainingFlops(shape, 4, 512) / device.training + device.training_step_seconds;
  EXPECT_NEAR(step, 0.34e-3, 0.05e-3);
}

TEST(KnownDevice, IsFoundByKindOrModelAndSaysWhatItRestsOn) {
  EXPECT_EQ(KnownDevice("NVIDIA H100 80GB HBM3", Shape7B().TotalWeights())->model, "NVIDIA H100");
  EXPECT_TRUE(KnownDevice("h100", Shape7B().TotalWeights())->cuda);
  EXPECT_EQ(KnownDevice("h100", Shape7B().TotalWeights())->basis.size(), 2U);
  EXPECT_FALSE(KnownDevice("cpu", Shape7B().TotalWeights())->cuda);
  EXPECT_FALSE(KnownDevice("AMD EPYC 9R14", Shape7B().TotalWeights()).has_value());
  EXPECT_FALSE(KnownDevice("", Shape7B().TotalWeights()).has_value());
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
