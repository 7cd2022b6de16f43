#include "cost/block_flops.h"

#include <gtest/gtest.h>

namespace besa::cost {
namespace {

constexpr double kTera = 1e12;

storage::ModelConfig Llama7B() {
  return {.hidden_size = 4096,
          .intermediate_size = 11008,
          .num_hidden_layers = 32,
          .num_attention_heads = 32,
          .num_key_value_heads = 32,
          .head_dim = 128};
}

storage::ModelConfig Llama70B() {
  return {.hidden_size = 8192,
          .intermediate_size = 28672,
          .num_hidden_layers = 80,
          .num_attention_heads = 64,
          .num_key_value_heads = 8,
          .head_dim = 128};
}

// 128 windows of 2,048 are 262,144 tokens.
TEST(BlockFlops, OfA7BBlockByHand) {
  const BlockShape shape = BlockShape::Of(Llama7B(), 0);
  // 4 * 4096^2 + 3 * 4096 * 11008
  ASSERT_EQ(shape.TotalWeights(), 202'375'168);
  // 2 * 262144 * 202375168 = 106.1 TFLOP; attention 2 * 262144 * 2048 * 4096 = 4.4.
  EXPECT_NEAR(ForwardFlops(shape, 128, 2048), 110.5 * kTera, 0.05 * kTera);
  // 110.5 + 106.1 + (106.1 - 2 * 262144 * 3 * 4096^2 = 26.4) + 2.5 * 4.4
  EXPECT_NEAR(TrainingFlops(shape, 128, 2048), 307.3 * kTera, 0.1 * kTera);
}

TEST(BlockFlops, OfA70BBlockByHand) {
  const BlockShape shape = BlockShape::Of(Llama70B(), 0);
  // 2 * 8192^2 + 2 * 8192 * 1024 + 3 * 8192 * 28672
  ASSERT_EQ(shape.TotalWeights(), 855'638'016);
  // 448.6 of the linears, 8.8 of attention.
  EXPECT_NEAR(ForwardFlops(shape, 128, 2048), 457.4 * kTera, 0.1 * kTera);
  // 457.4 + 448.6 + (448.6 - 2 * 262144 * 8192 * 10240 = 44.0) + 2.5 * 8.8
  EXPECT_NEAR(TrainingFlops(shape, 128, 2048), 1332.6 * kTera, 0.2 * kTera);
}

TEST(BlockFlops, AnIndependentBlockIsOneForwardAndItsPasses) {
  const BlockShape shape = BlockShape::Of(Llama7B(), 0);
  const double forward = ForwardFlops(shape, 128, 2048);
  const double training = TrainingFlops(shape, 128, 2048);
  BesaOptions options = ResolveOptions({}, Llama7B(), 128);
  EXPECT_DOUBLE_EQ(BlockFlops(Llama7B(), 0, 128, 2048, options), forward + training);
  options.recovery.epochs = 4;
  EXPECT_DOUBLE_EQ(BlockFlops(Llama7B(), 0, 128, 2048, options), forward + 5 * training);
}

TEST(BlockFlops, ASequentialBlockWalksThePrunedStreamAndForADenseReferenceTheDenseOneToo) {
  const BlockShape shape = BlockShape::Of(Llama7B(), 0);
  const double forward = ForwardFlops(shape, 128, 2048);
  const double training = TrainingFlops(shape, 128, 2048);
  BesaOptions options = ResolveOptions({.schedule = Schedule::kSequential}, Llama7B(), 128);
  EXPECT_DOUBLE_EQ(BlockFlops(Llama7B(), 0, 128, 2048, options), 3 * forward + training);
  options.reference = Reference::kPrunedStream;
  EXPECT_DOUBLE_EQ(BlockFlops(Llama7B(), 0, 128, 2048, options), 2 * forward + training);
}

TEST(BlockFlops, LookingAheadAllBlocksButTheLastGoThroughTheNextOneToo) {
  const BlockShape shape = BlockShape::Of(Llama7B(), 0);
  const double forward = ForwardFlops(shape, 128, 2048);
  const double training = TrainingFlops(shape, 128, 2048);
  const double linears = 2.0 * 128 * 2048 * static_cast<double>(shape.TotalWeights());
  const double lookahead = LookaheadFlops(shape, 128, 2048);
  EXPECT_DOUBLE_EQ(lookahead, 2 * linears + 3.5 * (forward - linears)) << "there, and back the gradients of its inputs";

  BesaOptions options = ResolveOptions({.lookahead = true}, Llama7B(), 128);
  EXPECT_DOUBLE_EQ(BlockFlops(Llama7B(), 0, 128, 2048, options), forward + training + lookahead / 2)
      << "with half of the windows; the next block's reference is made in the pass that takes its statistics";
  EXPECT_DOUBLE_EQ(BlockFlops(Llama7B(), 31, 128, 2048, options), forward + training) << "the last block";
  options.recovery.epochs = 2;
  EXPECT_DOUBLE_EQ(BlockFlops(Llama7B(), 0, 128, 2048, options), forward + 3 * (training + lookahead));
  options.schedule = Schedule::kSequential;
  EXPECT_DOUBLE_EQ(BlockFlops(Llama7B(), 0, 128, 2048, options), 4 * forward + 3 * (training + lookahead));
  options = ResolveOptions({.method = Method::kWanda, .lookahead = true}, Llama7B(), 128);
  EXPECT_DOUBLE_EQ(BlockFlops(Llama7B(), 0, 128, 2048, options), forward) << "nothing is trained";
}

}  // namespace
}  // namespace besa::cost
