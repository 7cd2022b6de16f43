#include "cost/pruning_options.h"

#include <gtest/gtest.h>

namespace besa::cost {
namespace {

storage::ModelConfig Model(int64_t hidden, int64_t intermediate, int64_t layers, int64_t context) {
  return {.hidden_size = hidden,
          .intermediate_size = intermediate,
          .num_hidden_layers = layers,
          .num_attention_heads = hidden / 64,
          .num_key_value_heads = hidden / 64,
          .head_dim = 64,
          .vocab_size = 32000,
          .max_position_embeddings = context};
}
storage::ModelConfig Small() { return Model(192, 512, 6, 256); }
storage::ModelConfig Billions7(int64_t context) { return Model(4096, 11008, 32, context); }
storage::ModelConfig Billions30() { return Model(6656, 17920, 60, 2048); }
storage::ModelConfig Billions65(int64_t context) { return Model(8192, 22016, 80, context); }

TEST(ResolveOptions, DefaultPresetBatchesAsLongAsThereAreEnoughSteps) {
  EXPECT_EQ(ResolveOptions({}, Small(), 512).batch_size, 4);
  EXPECT_EQ(ResolveOptions({}, Small(), 256).batch_size, 4);
  EXPECT_EQ(ResolveOptions({}, Small(), 128).batch_size, 2);
  EXPECT_EQ(ResolveOptions({}, Small(), 100).batch_size, 1);
  EXPECT_EQ(ResolveOptions({}, Small(), 128).epochs, 1);
}

TEST(ResolveOptions, DefaultPresetRepeatsFewSamples) {
  EXPECT_EQ(ResolveOptions({}, Small(), 8).epochs, 8);
  EXPECT_EQ(ResolveOptions({}, Small(), 8).batch_size, 1);
  EXPECT_EQ(ResolveOptions({}, Small(), 63).epochs, 2);
}

TEST(ResolveOptions, RanksShareEveryBatchEvenlyInEnoughSteps) {
  const auto resolved = [](int64_t samples, int64_t ranks) { return ResolveOptions({}, Small(), samples, ranks); };
  // As one rank does.
  EXPECT_EQ(resolved(128, 2).batch_size, 2);
  EXPECT_EQ(resolved(128, 2).epochs, 1);
  EXPECT_EQ(resolved(256, 4).batch_size, 4);
  EXPECT_EQ(resolved(256, 4).epochs, 1);
  // Larger batches take more passes: 64 steps.
  EXPECT_EQ(resolved(128, 8).batch_size, 8);
  EXPECT_EQ(resolved(128, 8).epochs, 4);
  EXPECT_EQ(resolved(256, 3).batch_size, 6);
  EXPECT_EQ(resolved(256, 3).epochs, 2);
  EXPECT_EQ(resolved(3, 4).batch_size, 3);
  EXPECT_EQ(resolved(3, 4).epochs, 64);
  // What is given stays, and so does the paper's.
  EXPECT_EQ(ResolveOptions({.batch_size = 1}, Small(), 128, 4).batch_size, 1);
  EXPECT_EQ(ResolveOptions({.epochs = 1}, Small(), 128, 4).epochs, 1);
  EXPECT_EQ(ResolveOptions({.preset = Preset::kPaper}, Small(), 128, 4).batch_size, 1);
}

TEST(ResolveOptions, PaperPresetIsOnePassOneByOneWithoutPrior) {
  const BesaOptions paper = ResolveOptions({.preset = Preset::kPaper}, Small(), 512);
  EXPECT_EQ(paper.batch_size, 1);
  EXPECT_EQ(paper.epochs, 1);
  EXPECT_EQ(paper.prior_sigma, 0.0);
  EXPECT_EQ(ResolveOptions({}, Small(), 512).prior_sigma, 0.08);
}

TEST(ResolveOptions, DCoefByModelSizeAsPublished) {
  const auto d_coef = [](const storage::ModelConfig& model, Granularity granularity) {
    return ResolveOptions({.granularity = granularity}, model, 128).d_coef;
  };
  EXPECT_EQ(d_coef(Small(), Granularity::kRow), 5.0);
  EXPECT_EQ(d_coef(Billions7(2048), Granularity::kRow), 5.0);
  EXPECT_EQ(d_coef(Billions30(), Granularity::kRow), 10.0);
  EXPECT_EQ(d_coef(Billions65(4096), Granularity::kRow), 50.0);
  EXPECT_EQ(d_coef(Small(), Granularity::kLayer), 50.0);
  EXPECT_EQ(d_coef(Billions7(2048), Granularity::kLayer), 50.0);
  EXPECT_EQ(d_coef(Billions7(4096), Granularity::kLayer), 0.05);
  EXPECT_EQ(d_coef(Billions30(), Granularity::kLayer), 0.05);
  EXPECT_EQ(d_coef(Billions65(2048), Granularity::kLayer), 0.5);
  EXPECT_EQ(d_coef(Billions65(4096), Granularity::kLayer), 0.5);
}

TEST(ResolveOptions, WhatIsGivenStays) {
  const BesaOptions given =
      ResolveOptions({.batch_size = 3, .epochs = 7, .d_coef = 2.5, .prior_sigma = 0.2}, Small(), 8);
  EXPECT_EQ(given.batch_size, 3);
  EXPECT_EQ(given.epochs, 7);
  EXPECT_EQ(given.d_coef, 2.5);
  EXPECT_EQ(given.prior_sigma, 0.2);
}

TEST(ResolveOptions, RecoveryIsForEveryMethodAndOnlyIfAskedFor) {
  for (const Method method : {Method::kBesa, Method::kMagnitude, Method::kWanda, Method::kSparseGpt}) {
    EXPECT_EQ(ResolveOptions({.method = method}, Small(), 512).recovery, RecoveryOptions());
    const RecoveryOptions recovery =
        ResolveOptions({.method = method, .recovery = {.epochs = 3}}, Small(), 512).recovery;
    EXPECT_EQ(recovery, (RecoveryOptions{.epochs = 3, .learning_rate = 1e-3, .batch_size = 4}));
  }
}

}  // namespace
}  // namespace besa::cost
