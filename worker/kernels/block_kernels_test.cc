// What the block's operations refuse.
#include "worker/kernels/block_kernels.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

void ExpectRefused(const absl::Status& status, const std::string& message) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(message));
}

TEST(BlockKernels, RefuseWhatDoesNotFit) {
  const Device cpu = Device::Cpu();
  TestMatrix x(ElementType::kFloat32, 3, 8);
  TestMatrix wide(ElementType::kFloat32, 3, 16);
  TestMatrix other(ElementType::kBFloat16, 3, 8);
  TestMatrix weight(ElementType::kFloat32, 1, 8);
  TestMatrix heads(ElementType::kFloat32, 3, 4);
  std::vector<float> scratch(24);

  ExpectRefused(RmsNorm(cpu, x.View(), heads.View(), 1e-5, x.View(), nullptr),
                "x has 8 columns; expected at least 3 heads of 4");
  ExpectRefused(RmsNorm(cpu, x.View(), weight.View(), 1e-5, other.View(), nullptr),
                "y is bfloat16 [3, 8]; expected float32 [3, 8]");
  ExpectRefused(RmsNormBackward(cpu, x.View(), x.View(), weight.View(), nullptr, x.View(), Store::kReplace),
                "inverse_rms is null");
  ExpectRefused(RmsNormBackward(cpu, heads.View(), x.View(), weight.View(), scratch.data(), x.View(), Store::kReplace),
                "gradient_y has 4 columns");

  ExpectRefused(SwiGlu(cpu, x.View(), x.View()), "gate_up is float32 [3, 8]; expected float32 [3, 16]");
  ExpectRefused(SwiGluBackward(cpu, x.View(), wide.View(), x.View()), "gradient_gate_up is float32 [3, 8]");

  RotaryTable table = {.cos = scratch.data(), .sin = scratch.data(), .length = 3, .head_dim = 4};
  ExpectRefused(Rotate(cpu, x.View(), 3, table, Rotation::kForward), "heads is 3; expected 0 to 2");
  table.head_dim = 3;
  ExpectRefused(Rotate(cpu, x.View(), 1, table, Rotation::kForward), "table.head_dim is 3");
  table = {.cos = scratch.data(), .sin = nullptr, .length = 3, .head_dim = 4};
  ExpectRefused(Rotate(cpu, x.View(), 1, table, Rotation::kForward), "table.sin is null");

  table = {.cos = scratch.data(), .sin = scratch.data(), .length = 3, .head_dim = 4};
  const HeadsView head = {.data = scratch.data(), .heads = 1, .sequence = 12, .head = 4, .token = 4};
  ExpectRefused(GatherHeads(cpu, head, head, head, table, Rotation::kBack, x.View()),
                "out has 8 columns; expected those of 1 + 1 + 1 heads of 4");
  ExpectRefused(GatherHeads(cpu, head, {.heads = 1}, {}, table, Rotation::kBack, x.View()), "k is null");

  ExpectRefused(ReconstructionSums(cpu, x.View(), other.View(), scratch.data()),
                "reference is bfloat16 [3, 8]; expected float32 [3, 8]");
  ExpectRefused(ReconstructionSums(cpu, x.View(), x.View(), nullptr), "sums is null");
  ExpectRefused(
      ReconstructionGradient(cpu, x.View(), x.View(), scratch.data(), scratch.data(), scratch.data(), other.View()),
      "gradient is bfloat16 [3, 8]; expected float32 [3, 8]");
  ExpectRefused(ReconstructionGradient(cpu, x.View(), x.View(), scratch.data(), nullptr, scratch.data(), x.View()),
                "weight is null");
}

}  // namespace
}  // namespace besa::kernels
