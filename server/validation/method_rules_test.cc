#include "server/validation/method_rules.h"

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/error_info.h"

namespace besa::server {
namespace {

using ::testing::HasSubstr;

v1::JobSpec Spec(v1::Method method, double sparsity = 0.5, const std::string& pattern = "") {
  v1::JobSpec spec;
  spec.set_sparsity(sparsity);
  spec.mutable_method()->set_method(method);
  spec.mutable_method()->set_pattern(pattern);
  return spec;
}

void ExpectRefused(const absl::Status& status, const std::string& field, const std::vector<std::string>& words) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  const auto info = GetErrorInfo(status);
  ASSERT_TRUE(info.has_value()) << status;
  EXPECT_EQ(info->metadata.at("field"), field) << status;
  for (const std::string& word : words) EXPECT_THAT(std::string(status.message()), HasSubstr(word));
}

const std::vector<v1::Method> kBaselines = {v1::METHOD_MAGNITUDE, v1::METHOD_WANDA, v1::METHOD_SPARSEGPT};

TEST(MethodRules, BaselinesHaveNoOptionsOfBesa) {
  for (const v1::Method method : kBaselines) {
    v1::JobSpec spec = Spec(method, 0.7);
    ASSERT_TRUE(ResolveMethod(spec).ok());
    EXPECT_EQ(spec.method().preset(), v1::PRESET_UNSPECIFIED);
    EXPECT_EQ(spec.method().granularity(), v1::GRANULARITY_UNSPECIFIED);
    EXPECT_EQ(spec.method().prior_sigma(), 0.0);
    EXPECT_EQ(spec.method().schedule(), v1::SCHEDULE_INDEPENDENT);

    const std::vector<std::pair<std::string, std::function<void(v1::MethodSpec&)>>> options = {
        {"method.preset", [](v1::MethodSpec& m) { m.set_preset(v1::PRESET_PAPER); }},
        {"method.granularity", [](v1::MethodSpec& m) { m.set_granularity(v1::GRANULARITY_ROW); }},
        {"method.batch_size", [](v1::MethodSpec& m) { m.set_batch_size(4); }},
        {"method.epochs", [](v1::MethodSpec& m) { m.set_epochs(2); }},
        {"method.d_coef", [](v1::MethodSpec& m) { m.set_d_coef(5); }},
        {"method.prior_sigma", [](v1::MethodSpec& m) { m.set_prior_sigma(0.1); }},
    };
    for (const auto& [field, set] : options) {
      spec = Spec(method);
      set(*spec.mutable_method());
      ExpectRefused(ResolveMethod(spec), field, {"METHOD_BESA"});
    }
  }
}

TEST(MethodRules, SparseGptsDefaultsAreFilledIn) {
  v1::JobSpec spec = Spec(v1::METHOD_SPARSEGPT);
  ASSERT_TRUE(ResolveMethod(spec).ok());
  EXPECT_EQ(spec.method().sparsegpt_block_size(), 128);
  EXPECT_EQ(spec.method().sparsegpt_damping(), 0.01);

  spec.mutable_method()->set_sparsegpt_damping(-1);
  ExpectRefused(ResolveMethod(spec), "method.sparsegpt_damping", {"-1"});
}

TEST(MethodRules, SparseGptsOptionsAreItsOwn) {
  for (const v1::Method method : {v1::METHOD_BESA, v1::METHOD_MAGNITUDE, v1::METHOD_WANDA}) {
    v1::JobSpec spec = Spec(method);
    spec.mutable_method()->set_sparsegpt_block_size(64);
    ExpectRefused(ResolveMethod(spec), "method.sparsegpt_block_size", {"64", "METHOD_SPARSEGPT"});
    spec = Spec(method);
    spec.mutable_method()->set_sparsegpt_damping(0.1);
    ExpectRefused(ResolveMethod(spec), "method.sparsegpt_damping", {"0.1", "METHOD_SPARSEGPT"});
  }
}

TEST(MethodRules, PatternsGoWithTheSparsityThatTheyMake) {
  for (const v1::Method method : kBaselines) {
    for (const auto& [pattern, sparsity] : {std::pair{"2:4", 0.5}, {"4:8", 0.5}, {"1:4", 0.75}, {"2:3", 0.333333}}) {
      v1::JobSpec spec = Spec(method, sparsity, pattern);
      if (method == v1::METHOD_SPARSEGPT) spec.mutable_method()->set_sparsegpt_block_size(96);
      EXPECT_TRUE(ResolveMethod(spec).ok()) << pattern << ResolveMethod(spec);
      EXPECT_EQ(spec.method().pattern(), pattern);
    }
    v1::JobSpec spec = Spec(method, 0.6, "2:4");
    ExpectRefused(ResolveMethod(spec), "sparsity", {"0.6", "0.5", "2:4"});
  }
}

TEST(MethodRules, PatternsThatAreNoneAreRefused) {
  for (const char* pattern : {"2", "2:", ":4", "4:2", "4:4", "0:4", "2:4:8", "-1:4", "half"}) {
    v1::JobSpec spec = Spec(v1::METHOD_WANDA, 0.5, pattern);
    ExpectRefused(ResolveMethod(spec), "method.pattern", {pattern, "2:4"});
  }
}

TEST(MethodRules, BesaHasNoPattern) {
  v1::JobSpec spec = Spec(v1::METHOD_BESA, 0.5, "2:4");
  ExpectRefused(ResolveMethod(spec), "method.pattern", {"2:4", "METHOD_WANDA", "METHOD_BESA learns"});
}

TEST(MethodRules, APatternMustFitSparseGptsBlockSize) {
  v1::JobSpec spec = Spec(v1::METHOD_SPARSEGPT, 0.5, "4:8");
  spec.mutable_method()->set_sparsegpt_block_size(100);
  ExpectRefused(ResolveMethod(spec), "method.sparsegpt_block_size", {"100", "a multiple of 8"});
}

TEST(MethodRules, APatternMustFitTheModel) {
  const storage::ModelConfig config = {
      .hidden_size = 16, .intermediate_size = 44, .num_attention_heads = 2, .num_key_value_heads = 1, .head_dim = 8};
  EXPECT_TRUE(CheckPatternFits(Spec(v1::METHOD_WANDA), config).ok());
  EXPECT_TRUE(CheckPatternFits(Spec(v1::METHOD_WANDA, 0.5, "2:4"), config).ok());
  ExpectRefused(CheckPatternFits(Spec(v1::METHOD_WANDA, 0.5, "4:8"), config), "method.pattern",
                {"4:8", "44 inputs of mlp.down_proj"});
}

TEST(MethodRules, RecoverysDefaultsAreFilledIn) {
  for (const v1::Method method : {v1::METHOD_BESA, v1::METHOD_MAGNITUDE, v1::METHOD_WANDA, v1::METHOD_SPARSEGPT}) {
    v1::JobSpec spec = Spec(method);
    ASSERT_TRUE(ResolveMethod(spec).ok());
    EXPECT_FALSE(spec.method().has_recovery());
    spec = Spec(method);
    spec.mutable_method()->mutable_recovery()->set_batch_size(8);
    ASSERT_TRUE(ResolveMethod(spec).ok());
    EXPECT_EQ(spec.method().recovery().epochs(), 4);
    EXPECT_EQ(spec.method().recovery().learning_rate(), 1e-3);
    EXPECT_EQ(spec.method().recovery().batch_size(), 8);
    EXPECT_EQ(spec.method().reference(), v1::REFERENCE_DENSE_STREAM);
    EXPECT_EQ(spec.method().schedule(), v1::SCHEDULE_INDEPENDENT);
  }
}

TEST(MethodRules, RecoverysNumbersAreChecked) {
  const std::vector<std::pair<std::string, std::function<void(v1::RecoverySpec&)>>> options = {
      {"method.recovery.epochs", [](v1::RecoverySpec& r) { r.set_epochs(-1); }},
      {"method.recovery.batch_size", [](v1::RecoverySpec& r) { r.set_batch_size(-2); }},
      {"method.recovery.learning_rate", [](v1::RecoverySpec& r) { r.set_learning_rate(-0.1); }},
      {"method.recovery.learning_rate", [](v1::RecoverySpec& r) { r.set_learning_rate(1.5); }},
      {"method.recovery.learning_rate", [](v1::RecoverySpec& r) { r.set_learning_rate(std::nan("")); }},
  };
  for (const auto& [field, set] : options) {
    v1::JobSpec spec = Spec(v1::METHOD_WANDA);
    set(*spec.mutable_method()->mutable_recovery());
    ExpectRefused(ResolveMethod(spec), field, {"0 for the default"});
  }
}

TEST(MethodRules, BaselinesHaveAReferenceOnlyWithRecovery) {
  v1::JobSpec spec = Spec(v1::METHOD_WANDA);
  spec.mutable_method()->set_schedule(v1::SCHEDULE_SEQUENTIAL);
  spec.mutable_method()->set_reference(v1::REFERENCE_PRUNED_STREAM);
  v1::JobSpec recovered = spec;
  ExpectRefused(ResolveMethod(spec), "method.reference", {"METHOD_BESA and of recovery"});
  recovered.mutable_method()->mutable_recovery();
  ASSERT_TRUE(ResolveMethod(recovered).ok());
  EXPECT_EQ(recovered.method().reference(), v1::REFERENCE_PRUNED_STREAM);
}

TEST(MethodRules, QualityStandsForScheduleAndRecovery) {
  v1::JobSpec fast = Spec(v1::METHOD_BESA);
  fast.mutable_method()->set_quality(v1::QUALITY_FAST);
  ASSERT_TRUE(ResolveMethod(fast).ok());
  EXPECT_EQ(fast.method().schedule(), v1::SCHEDULE_INDEPENDENT);
  EXPECT_FALSE(fast.method().has_recovery());

  int epochs = 0;
  for (const v1::Quality quality : {v1::QUALITY_BALANCED, v1::QUALITY_BEST}) {
    for (const v1::Method method : {v1::METHOD_BESA, v1::METHOD_SPARSEGPT}) {
      v1::JobSpec spec = Spec(method);
      spec.mutable_method()->set_quality(quality);
      ASSERT_TRUE(ResolveMethod(spec).ok());
      EXPECT_EQ(spec.method().schedule(), v1::SCHEDULE_SEQUENTIAL);
      EXPECT_EQ(spec.method().reference(), v1::REFERENCE_DENSE_STREAM);
      EXPECT_GE(spec.method().recovery().epochs(), epochs + 1);
      EXPECT_GT(spec.method().recovery().learning_rate(), 0.0);
      EXPECT_EQ(spec.method().quality(), quality);
    }
    epochs += 4;
  }
}

TEST(MethodRules, WhatIsSetBesideQualityStays) {
  v1::JobSpec spec = Spec(v1::METHOD_BESA);
  spec.mutable_method()->set_quality(v1::QUALITY_BEST);
  spec.mutable_method()->set_schedule(v1::SCHEDULE_INDEPENDENT);
  spec.mutable_method()->mutable_recovery()->set_epochs(2);
  ASSERT_TRUE(ResolveMethod(spec).ok());
  EXPECT_EQ(spec.method().schedule(), v1::SCHEDULE_INDEPENDENT);
  EXPECT_EQ(spec.method().recovery().epochs(), 2);
  EXPECT_EQ(spec.method().recovery().learning_rate(), 5e-4) << "what is left open is as `best` has it";
  EXPECT_EQ(spec.method().recovery().decay(), 3.0);
  EXPECT_EQ(spec.method().recovery().dense_every(), 0) << "there is one stream of inputs alone";
}

TEST(MethodRules, BestStaysNearTheDenseModelUnlessToldNotTo) {
  v1::JobSpec spec = Spec(v1::METHOD_BESA);
  spec.mutable_method()->set_quality(v1::QUALITY_BEST);
  v1::JobSpec free = spec;
  ASSERT_TRUE(ResolveMethod(spec).ok());
  EXPECT_EQ(spec.method().recovery().decay(), 3.0);
  EXPECT_EQ(spec.method().recovery().dense_every(), 3);
  free.mutable_method()->mutable_recovery()->set_decay(0.0);
  free.mutable_method()->mutable_recovery()->set_dense_every(0);
  ASSERT_TRUE(ResolveMethod(free).ok());
  EXPECT_EQ(free.method().recovery().decay(), 0.0);
  EXPECT_EQ(free.method().recovery().dense_every(), 0);
}

TEST(MethodRules, BestTakesFullStepsWithAPattern) {
  v1::JobSpec spec = Spec(v1::METHOD_WANDA);
  spec.mutable_method()->set_quality(v1::QUALITY_BEST);
  spec.mutable_method()->set_pattern("2:4");
  ASSERT_TRUE(ResolveMethod(spec).ok());
  EXPECT_EQ(spec.method().recovery().learning_rate(), 1e-3);
  EXPECT_EQ(spec.method().recovery().decay(), 0.0);
  EXPECT_EQ(spec.method().recovery().dense_every(), 3);
}

TEST(MethodRules, TheLossLooksAheadUnlessItIsToBeFast) {
  const auto loss_of = [](v1::Quality quality, v1::Loss asked) {
    v1::JobSpec spec = Spec(v1::METHOD_BESA);
    spec.mutable_method()->set_quality(quality);
    spec.mutable_method()->set_loss(asked);
    EXPECT_TRUE(ResolveMethod(spec).ok());
    return spec.method().loss();
  };
  for (const v1::Quality quality : {v1::QUALITY_UNSPECIFIED, v1::QUALITY_BALANCED, v1::QUALITY_BEST}) {
    EXPECT_EQ(loss_of(quality, v1::LOSS_UNSPECIFIED), v1::LOSS_LOOKAHEAD) << quality;
  }
  EXPECT_EQ(loss_of(v1::QUALITY_FAST, v1::LOSS_UNSPECIFIED), v1::LOSS_BLOCK);
  EXPECT_EQ(loss_of(v1::QUALITY_BEST, v1::LOSS_BLOCK), v1::LOSS_BLOCK);
  EXPECT_EQ(loss_of(v1::QUALITY_FAST, v1::LOSS_LOOKAHEAD), v1::LOSS_LOOKAHEAD);
}

TEST(MethodRules, ALossIsAnOptionOfWhatIsTrained) {
  v1::JobSpec wanda = Spec(v1::METHOD_WANDA);
  wanda.mutable_method()->set_loss(v1::LOSS_LOOKAHEAD);
  v1::JobSpec recovered = wanda;
  ExpectRefused(ResolveMethod(wanda), "method.loss", {"LOSS_LOOKAHEAD", "METHOD_BESA", "recovery"});
  recovered.mutable_method()->mutable_recovery();
  EXPECT_TRUE(ResolveMethod(recovered).ok());
  v1::JobSpec paper = Spec(v1::METHOD_BESA);
  paper.mutable_method()->set_preset(v1::PRESET_PAPER);
  v1::JobSpec published = paper;
  EXPECT_TRUE(ResolveMethod(published).ok());
  EXPECT_EQ(published.method().loss(), v1::LOSS_BLOCK);
  paper.mutable_method()->set_loss(v1::LOSS_LOOKAHEAD);
  ExpectRefused(ResolveMethod(paper), "method.loss", {"LOSS_LOOKAHEAD", "PRESET_PAPER"});
  v1::JobSpec unknown = Spec(v1::METHOD_BESA);
  unknown.mutable_method()->set_loss(static_cast<v1::Loss>(5));
  ExpectRefused(ResolveMethod(unknown), "method.loss", {"5", "LOSS_BLOCK"});
}

TEST(MethodRules, DenseInputsNeedTwoStreams) {
  const auto spec_with = [](v1::Schedule schedule, v1::Reference reference, int every) {
    v1::JobSpec spec = Spec(v1::METHOD_BESA);
    spec.mutable_method()->set_schedule(schedule);
    spec.mutable_method()->set_reference(reference);
    spec.mutable_method()->mutable_recovery()->set_dense_every(every);
    return spec;
  };
  v1::JobSpec both = spec_with(v1::SCHEDULE_SEQUENTIAL, v1::REFERENCE_DENSE_STREAM, 2);
  EXPECT_TRUE(ResolveMethod(both).ok());
  v1::JobSpec independent = spec_with(v1::SCHEDULE_INDEPENDENT, v1::REFERENCE_DENSE_STREAM, 2);
  ExpectRefused(ResolveMethod(independent), "method.recovery.dense_every", {"2", "SCHEDULE_SEQUENTIAL"});
  v1::JobSpec pruned = spec_with(v1::SCHEDULE_SEQUENTIAL, v1::REFERENCE_PRUNED_STREAM, 2);
  ExpectRefused(ResolveMethod(pruned), "method.recovery.dense_every", {"2", "REFERENCE_DENSE_STREAM"});
  for (const int every : {-1, 1}) {
    v1::JobSpec wrong = spec_with(v1::SCHEDULE_SEQUENTIAL, v1::REFERENCE_DENSE_STREAM, every);
    ExpectRefused(ResolveMethod(wrong), "method.recovery.dense_every", {std::to_string(every), "at least 2"});
  }
}

TEST(MethodRules, AStepDoesNotGoBeyondTheDenseWeights) {
  v1::JobSpec spec = Spec(v1::METHOD_BESA);
  spec.mutable_method()->mutable_recovery()->set_decay(1001.0);
  ExpectRefused(ResolveMethod(spec), "method.recovery.decay", {"1001", "0 to 1000", "0.001"});
  spec.mutable_method()->mutable_recovery()->set_decay(-1.0);
  ExpectRefused(ResolveMethod(spec), "method.recovery.decay", {"-1"});
  spec.mutable_method()->mutable_recovery()->set_decay(1000.0);
  EXPECT_TRUE(ResolveMethod(spec).ok());
}

TEST(MethodRules, BlocksAreMeasuredForBesaAlone) {
  v1::JobSpec besa = Spec(v1::METHOD_BESA);
  EXPECT_TRUE(ResolveMethod(besa).ok());
  EXPECT_EQ(besa.method().block_allocation(), v1::BLOCK_ALLOCATION_MEASURED);
  for (const v1::Method method : {v1::METHOD_MAGNITUDE, v1::METHOD_WANDA, v1::METHOD_SPARSEGPT}) {
    v1::JobSpec baseline = Spec(method);
    EXPECT_TRUE(ResolveMethod(baseline).ok());
    EXPECT_EQ(baseline.method().block_allocation(), v1::BLOCK_ALLOCATION_UNIFORM);
    baseline.mutable_method()->set_block_allocation(v1::BLOCK_ALLOCATION_MEASURED);
    EXPECT_TRUE(ResolveMethod(baseline).ok()) << "who asks for it gets it";
  }
}

TEST(MethodRules, BlocksAreAlikeInThePaperAndWithAPattern) {
  v1::JobSpec paper = Spec(v1::METHOD_BESA);
  paper.mutable_method()->set_preset(v1::PRESET_PAPER);
  paper.mutable_method()->set_block_allocation(v1::BLOCK_ALLOCATION_MEASURED);
  ExpectRefused(ResolveMethod(paper), "method.block_allocation", {"MEASURED", "PRESET_PAPER"});
  v1::JobSpec pattern = Spec(v1::METHOD_WANDA);
  pattern.mutable_method()->set_pattern("2:4");
  pattern.mutable_method()->set_block_allocation(v1::BLOCK_ALLOCATION_MEASURED);
  ExpectRefused(ResolveMethod(pattern), "method.block_allocation", {"MEASURED", "2:4"});
  v1::JobSpec unknown = Spec(v1::METHOD_BESA);
  unknown.mutable_method()->set_block_allocation(static_cast<v1::BlockAllocation>(7));
  ExpectRefused(ResolveMethod(unknown), "method.block_allocation", {"7", "BLOCK_ALLOCATION_UNIFORM"});
}

TEST(MethodRules, MasksGrowUnlessTheMethodHasMadeItsWeightsForThem) {
  for (const v1::Method method : {v1::METHOD_BESA, v1::METHOD_MAGNITUDE, v1::METHOD_WANDA}) {
    v1::JobSpec spec = Spec(method);
    spec.mutable_method()->mutable_recovery();
    EXPECT_TRUE(ResolveMethod(spec).ok());
    EXPECT_EQ(spec.method().recovery().masks(), v1::RECOVERY_MASKS_GROWING);
  }
  v1::JobSpec spec = Spec(v1::METHOD_SPARSEGPT);
  spec.mutable_method()->mutable_recovery();
  EXPECT_TRUE(ResolveMethod(spec).ok());
  EXPECT_EQ(spec.method().recovery().masks(), v1::RECOVERY_MASKS_FIXED);
  spec.mutable_method()->mutable_recovery()->set_masks(v1::RECOVERY_MASKS_GROWING);
  ExpectRefused(ResolveMethod(spec), "method.recovery.masks", {"GROWING", "METHOD_SPARSEGPT"});
}

TEST(MethodRules, ThePaperIsNotMadeBetterInItsName) {
  v1::JobSpec spec = Spec(v1::METHOD_BESA);
  spec.mutable_method()->set_preset(v1::PRESET_PAPER);
  spec.mutable_method()->set_quality(v1::QUALITY_BALANCED);
  ExpectRefused(ResolveMethod(spec), "method.quality", {"QUALITY_FAST", "PRESET_PAPER"});
  spec.mutable_method()->set_quality(v1::QUALITY_FAST);
  EXPECT_TRUE(ResolveMethod(spec).ok());
  spec.mutable_method()->set_quality(static_cast<v1::Quality>(9));
  ExpectRefused(ResolveMethod(spec), "method.quality", {"9", "QUALITY_BEST"});
}

}  // namespace
}  // namespace besa::server
