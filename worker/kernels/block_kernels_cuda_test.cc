// The CUDA kernels of block_kernels.h against their CPU twins, on shapes of models and on odd ones. Skipped without a
// GPU.
#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "worker/kernels/block_kernels.h"
#include "worker/kernels/cuda_buffer.h"
#include "worker/kernels/test_matrix.h"

namespace besa::kernels {
namespace {

// A matrix in both memories.
class Both {
 public:
  explicit Both(TestMatrix matrix)
      : host(std::move(matrix)), buffer_(std::make_unique<CudaBuffer>(host.bytes().data(), host.bytes().size())) {}
  Both(ElementType type, int64_t rows, int64_t cols, uint32_t seed)
      : Both(TestMatrix::Random(type, rows, cols, seed)) {}

  Matrix device() { return Matrix{buffer_->data(), host.type(), host.rows(), host.cols()}; }
  // What the device has, as far from what the host has: the largest difference against the largest value.
  double Difference() {
    TestMatrix copy = host;
    buffer_->CopyTo(copy.data());
    double largest = 0.0;
    double difference = 0.0;
    for (int64_t i = 0; i < host.rows() * host.cols(); ++i) {
      if (std::isnan(copy.At(i))) return INFINITY;
      largest = std::max(largest, std::abs(host.At(i)));
      difference = std::max(difference, std::abs(host.At(i) - copy.At(i)));
    }
    return difference / largest;
  }

  TestMatrix host;

 private:
  std::unique_ptr<CudaBuffer> buffer_;
};

struct Shape {
  int64_t tokens;
  int64_t heads;
  int64_t features;
};

class BlockKernelsOnCuda : public testing::TestWithParam<std::tuple<ElementType, Shape>> {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoGpu(); !why.empty()) GTEST_SKIP() << why;
  }

  ElementType type() const { return std::get<0>(GetParam()); }
  const Shape& shape() const { return std::get<1>(GetParam()); }
  // Both round to the type once; what leads there is float.
  double Tolerance() const { return type() == ElementType::kBFloat16 ? 8e-3 : 2e-5; }

  const Device cpu_ = Device::Cpu();
  const Device cuda_ = Device::Cuda(nullptr);
};

TEST_P(BlockKernelsOnCuda, RmsNorm) {
  const auto [tokens, heads, features] = shape();
  Both x(type(), tokens, heads * features + 8, 1);
  Both weight(type(), heads, features, 2);
  Both y(type(), tokens, heads * features, 3);
  Both inverse_rms(ElementType::kFloat32, tokens, heads, 4);
  ASSERT_TRUE(RmsNorm(cpu_, x.host.View(), weight.host.View(), 1e-5, y.host.View(), inverse_rms.host.data()).ok());
  ASSERT_TRUE(RmsNorm(cuda_, x.device(), weight.device(), 1e-5, y.device(), inverse_rms.device().data).ok());
  EXPECT_LT(y.Difference(), Tolerance());
  EXPECT_LT(inverse_rms.Difference(), 1e-5);

  for (const Store store : {Store::kAdd, Store::kReplace}) {
    Both upstream(type(), tokens, heads * features + 8, 5);
    Both gradient(type(), tokens, heads * features + 8, 6);
    ASSERT_TRUE(RmsNormBackward(cpu_, upstream.host.View(), x.host.View(), weight.host.View(), inverse_rms.host.data(),
                                gradient.host.View(), store)
                    .ok());
    ASSERT_TRUE(RmsNormBackward(cuda_, upstream.device(), x.device(), weight.device(), inverse_rms.device().data,
                                gradient.device(), store)
                    .ok());
    EXPECT_LT(gradient.Difference(), Tolerance());
    // In place.
    ASSERT_TRUE(RmsNormBackward(cpu_, upstream.host.View(), x.host.View(), weight.host.View(), inverse_rms.host.data(),
                                upstream.host.View(), Store::kReplace)
                    .ok());
    ASSERT_TRUE(RmsNormBackward(cuda_, upstream.device(), x.device(), weight.device(), inverse_rms.device().data,
                                upstream.device(), Store::kReplace)
                    .ok());
    EXPECT_LT(upstream.Difference(), Tolerance());
  }
}

TEST_P(BlockKernelsOnCuda, SwiGlu) {
  const int64_t tokens = shape().tokens;
  const int64_t width = shape().heads * shape().features;
  Both gate_up(type(), tokens, 2 * width, 1);
  Both activation(type(), tokens, width, 2);
  ASSERT_TRUE(SwiGlu(cpu_, gate_up.host.View(), activation.host.View()).ok());
  ASSERT_TRUE(SwiGlu(cuda_, gate_up.device(), activation.device()).ok());
  EXPECT_LT(activation.Difference(), Tolerance());

  // In place.
  Both upstream(type(), tokens, width, 3);
  ASSERT_TRUE(SwiGluBackward(cpu_, upstream.host.View(), gate_up.host.View(), gate_up.host.View()).ok());
  ASSERT_TRUE(SwiGluBackward(cuda_, upstream.device(), gate_up.device(), gate_up.device()).ok());
  EXPECT_LT(gate_up.Difference(), Tolerance());
}

TEST_P(BlockKernelsOnCuda, Rotate) {
  const auto [tokens, heads, features] = shape();
  const int64_t head_dim = features / 2 * 2;
  Both x(type(), tokens, (heads + 1) * head_dim, 1);
  const int64_t length = std::min<int64_t>(tokens, 7);
  Both cosines(ElementType::kFloat32, length, head_dim / 2, 2);
  Both sines(ElementType::kFloat32, length, head_dim / 2, 3);
  for (const Rotation rotation : {Rotation::kForward, Rotation::kBack}) {
    const RotaryTable on_host = {cosines.host.data(), sines.host.data(), length, head_dim};
    const RotaryTable on_device = {cosines.device().data, sines.device().data, length, head_dim};
    ASSERT_TRUE(Rotate(cpu_, x.host.View(), heads, on_host, rotation).ok());
    ASSERT_TRUE(Rotate(cuda_, x.device(), heads, on_device, rotation).ok());
    EXPECT_LT(x.Difference(), Tolerance());
  }
}

TEST_P(BlockKernelsOnCuda, GatherHeads) {
  const auto [tokens, heads, features] = shape();
  const int64_t head_dim = features / 2 * 2;
  const int64_t length = tokens % 2 == 0 ? tokens / 2 : tokens;
  Both q(type(), tokens, (heads + 1) * head_dim, 1);
  Both k(type(), tokens, heads * head_dim, 2);
  Both v(type(), tokens, heads * head_dim, 3);
  Both out(type(), tokens, 3 * heads * head_dim, 4);
  Both cosines(ElementType::kFloat32, length, head_dim / 2, 5);
  Both sines(ElementType::kFloat32, length, head_dim / 2, 6);
  // q: heads next to each other; k and v: tokens.
  const auto q_view = [&](const void* data) {
    const int64_t width = (heads + 1) * head_dim;
    return HeadsView{.data = data, .heads = heads, .sequence = length * width, .head = head_dim, .token = width};
  };
  const auto kv_view = [&](const void* data) {
    return HeadsView{.data = data,
                     .heads = heads,
                     .sequence = heads * length * head_dim,
                     .head = length * head_dim,
                     .token = head_dim};
  };
  for (const Rotation rotation : {Rotation::kForward, Rotation::kBack}) {
    const RotaryTable on_host = {cosines.host.data(), sines.host.data(), length, head_dim};
    const RotaryTable on_device = {cosines.device().data, sines.device().data, length, head_dim};
    ASSERT_TRUE(GatherHeads(cpu_, q_view(q.host.data()), kv_view(k.host.data()), kv_view(v.host.data()), on_host,
                            rotation, out.host.View())
                    .ok());
    ASSERT_TRUE(GatherHeads(cuda_, q_view(q.device().data), kv_view(k.device().data), kv_view(v.device().data),
                            on_device, rotation, out.device())
                    .ok());
    EXPECT_LT(out.Difference(), Tolerance());
  }
}

TEST_P(BlockKernelsOnCuda, ReconstructionLoss) {
  const int64_t tokens = shape().tokens;
  const int64_t features = shape().heads * shape().features;
  Both y(type(), tokens, features, 1);
  TestMatrix wanted = TestMatrix::Random(type(), tokens, features, 2);
  // A channel that does not count.
  for (int64_t t = 0; t < tokens; ++t) wanted.Set(t * features + features / 2, 0.0);
  Both reference(std::move(wanted));
  Both sums(ElementType::kFloat32, 2, features, 3);
  Both weight(ElementType::kFloat32, 1, features, 4);
  Both loss(ElementType::kFloat32, 1, 1, 5);
  ASSERT_TRUE(ReconstructionSums(cpu_, y.host.View(), reference.host.View(), sums.host.data()).ok());
  ASSERT_TRUE(ReconstructionSums(cuda_, y.device(), reference.device(), sums.device().data).ok());
  ASSERT_TRUE(ReconstructionGradient(cpu_, y.host.View(), reference.host.View(), sums.host.data(), weight.host.data(),
                                     loss.host.data(), y.host.View())
                  .ok());
  ASSERT_TRUE(ReconstructionGradient(cuda_, y.device(), reference.device(), sums.device().data, weight.device().data,
                                     loss.device().data, y.device())
                  .ok());
  EXPECT_LT(sums.Difference(), 1e-4);
  EXPECT_LT(loss.Difference(), 1e-4);
  EXPECT_LT(y.Difference(), Tolerance());
}

std::string Name(const testing::TestParamInfo<std::tuple<ElementType, Shape>>& tested) {
  const Shape& s = std::get<Shape>(tested.param);
  return NameOf(std::get<ElementType>(tested.param)) + "_" + std::to_string(s.tokens) + "x" + std::to_string(s.heads) +
         "x" + std::to_string(s.features);
}

INSTANTIATE_TEST_SUITE_P(Shapes, BlockKernelsOnCuda,
                         testing::Combine(testing::Values(ElementType::kFloat32, ElementType::kBFloat16),
                                          testing::Values(Shape{1, 1, 2}, Shape{3, 5, 37}, Shape{64, 3, 64},
                                                          Shape{130, 1, 192}, Shape{257, 1, 4096}, Shape{33, 1, 8192},
                                                          Shape{20, 8, 128}, Shape{9, 1, 11008})),
                         Name);

}  // namespace
}  // namespace besa::kernels
