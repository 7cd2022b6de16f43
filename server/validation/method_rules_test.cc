#include "server/validation/method_rules.h"

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

}  // namespace
}  // namespace besa::server
