#include "cost/sharded_sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cost/block_shape.h"

namespace besa::cost {
namespace {

storage::ModelConfig Llama7B() {
  storage::ModelConfig config;
  config.architecture = "LlamaForCausalLM";
  config.hidden_size = 4096;
  config.intermediate_size = 11008;
  config.num_hidden_layers = 32;
  config.num_attention_heads = 32;
  config.num_key_value_heads = 32;
  config.head_dim = 128;
  config.vocab_size = 32000;
  config.max_position_embeddings = 4096;
  return config;
}

class ShardedSweep : public testing::Test {
 protected:
  GroupSeconds Seconds(int64_t ranks, double exchange, const BesaOptions& options = {}) const {
    return SecondsOfBlocks(config_, 128, 2048, options, ComputeType::kBFloat16, ranks, device_, exchange);
  }

  const storage::ModelConfig config_ = Llama7B();
  const DeviceProfile device_ = *KnownDevice("h100", BlockShape::Of(config_, 0).TotalWeights());
};

TEST_F(ShardedSweep, PaysWhereRanksExchangeFast) {
  // As over NVLink.
  for (const int64_t ranks : {2, 4, 8}) {
    const GroupSeconds seconds = Seconds(ranks, 300e9);
    EXPECT_LT(seconds.sharded, seconds.together) << ranks;
  }
}

TEST_F(ShardedSweep, PaysMoreTheMorePassesALargerBatchTakes) {
  const auto gain = [&](int64_t ranks) {
    const GroupSeconds seconds = Seconds(ranks, 300e9);
    return seconds.together / seconds.sharded;
  };
  // 128 samples: batches of 2, 4 and 8, gone through once, twice and four times.
  EXPECT_GT(gain(4), 1.3 * gain(2));
  EXPECT_GT(gain(8), 1.3 * gain(4));
}

TEST_F(ShardedSweep, DoesNotPayWhereWhatIsToBeMovedIsMoreThanWhatIsToBeTrained) {
  // Wanda has no steps in which something could be added up.
  const GroupSeconds seconds = Seconds(2, 1e9, {.method = Method::kWanda});
  EXPECT_GT(seconds.sharded, seconds.together);
}

TEST_F(ShardedSweep, OfOneRankIsNoMatter) {
  const GroupSeconds seconds = Seconds(1, 300e9);
  EXPECT_NEAR(seconds.sharded, seconds.together, 0.01 * seconds.together);
}

TEST_F(ShardedSweep, TakesTheMemoryOfARankAloneAndOfTheStreamThatIsWalkedOn) {
  const BesaOptions options = ResolveOptions({}, config_, 128);
  const ComputePlan alone = {.cuda = true, .compute = ComputeType::kBFloat16};
  ComputePlan group = alone;
  group.ranks = 4;
  const int64_t stream = int64_t{128} * 2048 * 4096 * 2;
  const int64_t one = PlanPruning(config_, 128, 2048, options, alone).Total();
  EXPECT_EQ(PlanShardedPruning(config_, 128, 2048, options, group).Total(), one + stream / 4);
  EXPECT_GT(one + stream / 4, PlanPruning(config_, 128, 2048, options, group).Total());
}

TEST_F(ShardedSweep, StreamsFromHostMemoryInBatchesOfAllRanks) {
  const BesaOptions options = ResolveOptions({}, config_, 128);
  const ComputePlan group = {
      .cuda = true, .compute = ComputeType::kBFloat16, .ranks = 4, .activations = Placement::kHost};
  const MemoryPlan plan = PlanShardedPruning(config_, 128, 2048, options, group);
  EXPECT_THAT(plan.Describe(), testing::HasSubstr("batches of all ranks"));
  EXPECT_GT(HostShardedActivations(config_, 128, 2048, options, group),
            4 * HostActivations(config_, 128, 2048, options, group));
}

}  // namespace
}  // namespace besa::cost
