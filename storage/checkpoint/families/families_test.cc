// What each family's config.json means, field by field, and which fields it must not have.
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "storage/base/error_info.h"
#include "storage/checkpoint/checkpoint.h"
#include "storage/checkpoint/model_config.h"

namespace besa::storage {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;

Json Config(const std::string& architecture, const std::string& type) {
  return {{"architectures", {architecture}},
          {"model_type", type},
          {"hidden_size", 64},
          {"intermediate_size", 160},
          {"num_hidden_layers", 3},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"vocab_size", 100},
          {"max_position_embeddings", 128},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 500000.0},
          {"hidden_act", "silu"},
          {"attention_dropout", 0.0},
          {"tie_word_embeddings", true}};
}
Json Llama() { return Config("LlamaForCausalLM", "llama"); }
Json Mistral() { return Config("MistralForCausalLM", "mistral"); }
Json Qwen2() { return Config("Qwen2ForCausalLM", "qwen2"); }
Json Qwen3() { return Config("Qwen3ForCausalLM", "qwen3"); }

ModelConfig Parse(const Json& json) {
  auto config = ParseModelConfig(json.dump());
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *std::move(config) : ModelConfig();
}

std::string RefusedField(const Json& json) {
  const absl::Status status = ParseModelConfig(json.dump()).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  const auto info = GetErrorInfo(status);
  return info.has_value() ? info->metadata.at("field") : "";
}

TEST(FamiliesTest, LlamaHasBiasesWhereItsFlagsSaySo) {
  Json json = Llama();
  EXPECT_FALSE(Parse(json).qkv_bias || Parse(json).attention_out_bias || Parse(json).mlp_bias || Parse(json).qk_norm);
  json["attention_bias"] = true;
  EXPECT_TRUE(Parse(json).qkv_bias && Parse(json).attention_out_bias);
  EXPECT_FALSE(Parse(json).mlp_bias);
  json["mlp_bias"] = true;
  EXPECT_TRUE(Parse(json).mlp_bias);
  const auto shapes = BlockTensorShapes(Parse(json), 1);
  EXPECT_EQ(shapes.size(), 9u + 7u);
  EXPECT_THAT(shapes.at("model.layers.1.self_attn.k_proj.bias"), ElementsAre(32));
  EXPECT_THAT(shapes.at("model.layers.1.self_attn.o_proj.bias"), ElementsAre(64));
  EXPECT_THAT(shapes.at("model.layers.1.mlp.up_proj.bias"), ElementsAre(160));
}

TEST(FamiliesTest, MistralSlidesEverywhereUnlessTheWindowIsNull) {
  Json json = Mistral();
  json["sliding_window"] = 32;
  EXPECT_EQ(Parse(json).WindowOf(0), 32);
  EXPECT_EQ(Parse(json).WindowOf(2), 32);
  json["sliding_window"] = nullptr;
  EXPECT_EQ(Parse(json).WindowOf(0), 0);
  json.erase("sliding_window");
  EXPECT_EQ(Parse(json).WindowOf(0), 4096);
}

TEST(FamiliesTest, MistralWithoutKeyValueHeadsHasEight) {
  Json json = Mistral();
  json["num_attention_heads"] = 16;
  json.erase("num_key_value_heads");
  EXPECT_EQ(Parse(json).num_key_value_heads, 8);
  json["num_key_value_heads"] = nullptr;
  EXPECT_EQ(Parse(json).num_key_value_heads, 16);
}

TEST(FamiliesTest, Qwen2HasBiasesOnQueriesKeysAndValuesAlone) {
  const auto shapes = BlockTensorShapes(Parse(Qwen2()), 0);
  EXPECT_EQ(shapes.size(), 9u + 3u);
  EXPECT_THAT(shapes.at("model.layers.0.self_attn.q_proj.bias"), ElementsAre(64));
  EXPECT_THAT(shapes.at("model.layers.0.self_attn.v_proj.bias"), ElementsAre(32));
}

TEST(FamiliesTest, Qwen3NormalisesHeadsAndHasWideOnesUnlessToldOtherwise) {
  Json json = Qwen3();
  const auto shapes = BlockTensorShapes(Parse(json), 0);
  EXPECT_EQ(shapes.size(), 9u + 2u);
  EXPECT_THAT(shapes.at("model.layers.0.self_attn.q_norm.weight"), ElementsAre(128));
  json["head_dim"] = 16;
  EXPECT_EQ(Parse(json).head_dim, 16);
  json["attention_bias"] = true;
  EXPECT_EQ(BlockTensorShapes(Parse(json), 0).size(), 9u + 2u + 4u);
}

TEST(FamiliesTest, QwenSlidesOnlyWhereItIsSwitchedOn) {
  for (Json json : {Qwen2(), Qwen3()}) {
    // As the published Qwen2.5 has it.
    json["sliding_window"] = 131072;
    json["use_sliding_window"] = false;
    json["max_window_layers"] = 1;
    EXPECT_EQ(Parse(json).sliding_window, 0);
    json["use_sliding_window"] = true;
    json["sliding_window"] = 16;
    const ModelConfig windowed = Parse(json);
    EXPECT_EQ(windowed.WindowOf(0), 0);
    EXPECT_EQ(windowed.WindowOf(1), 16);
    EXPECT_EQ(windowed.WindowOf(2), 16);
    // A list counts more than a number of layers.
    json["layer_types"] = {"sliding_attention", "full_attention", "full_attention"};
    EXPECT_EQ(Parse(json).WindowOf(0), 16);
    EXPECT_EQ(Parse(json).WindowOf(2), 0);
    json.erase("layer_types");
    json["max_window_layers"] = 0;
    EXPECT_EQ(Parse(json).WindowOf(0), 16);
    json["max_window_layers"] = 3;
    EXPECT_EQ(Parse(json).sliding_window, 0);
  }
}

TEST(FamiliesTest, RopeScalingInTheSpellingOfBothTransformers) {
  const Json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 64}};
  for (const std::string field : {"rope_scaling", "rope_parameters"}) {
    Json json = Llama();
    json[field] = llama3;
    const RopeScaling scaling = Parse(json).rope_scaling;
    EXPECT_EQ(scaling.kind, RopeScaling::Kind::kLlama3);
    EXPECT_EQ(scaling.factor, 8.0);
    EXPECT_EQ(scaling.low_freq_factor, 1.0);
    EXPECT_EQ(scaling.high_freq_factor, 4.0);
    EXPECT_EQ(scaling.original_context, 64);
    json[field].erase("original_max_position_embeddings");
    EXPECT_EQ(Parse(json).rope_scaling.original_context, 128);

    json[field] = {{"type", "linear"}, {"factor", 4}};
    EXPECT_EQ(Parse(json).rope_scaling.kind, RopeScaling::Kind::kLinear);
    EXPECT_EQ(Parse(json).rope_scaling.factor, 4.0);
    // Begins beyond max_position_embeddings, where no window of ours reaches.
    json[field] = {{"type", "dynamic"}, {"factor", 2.0}};
    EXPECT_EQ(Parse(json).rope_scaling.kind, RopeScaling::Kind::kNone);
    json[field] = Json::object();
    EXPECT_EQ(Parse(json).rope_theta, 500000.0);
  }
}

struct Case {
  std::string name;
  Json config;
  std::string field;
  Json value;
  // The field that the error names; `field` where empty.
  std::string named;
};

class RefusedTest : public testing::TestWithParam<Case> {};

TEST_P(RefusedTest, ByName) {
  Json json = GetParam().config;
  json[GetParam().field] = GetParam().value;
  EXPECT_EQ(RefusedField(json), GetParam().named.empty() ? GetParam().field : GetParam().named);
}

Json WithWindow(Json json) {
  json["use_sliding_window"] = true;
  json["sliding_window"] = 16;
  return json;
}

INSTANTIATE_TEST_SUITE_P(
    Fields, RefusedTest,
    testing::Values(
        Case{"LlamaWindow", Llama(), "sliding_window", 16},
        Case{"LlamaWindowUsed", Llama(), "use_sliding_window", true},
        Case{"LlamaLayerTypes", Llama(), "layer_types", {"sliding_attention"}},
        Case{"LlamaBiasText", Llama(), "attention_bias", "yes"}, Case{"MistralBias", Mistral(), "attention_bias", true},
        Case{"MistralMlpBias", Mistral(), "mlp_bias", true},
        Case{"MistralLayerTypes", Mistral(), "layer_types", {"full_attention"}},
        Case{"MistralWindowZero", Mistral(), "sliding_window", 0}, Case{"Qwen2MlpBias", Qwen2(), "mlp_bias", true},
        Case{"Qwen3MlpBias", Qwen3(), "mlp_bias", true}, Case{"Qwen3Experts", Qwen3(), "num_experts", 128},
        Case{"Qwen2TypeOfAnother", Qwen2(), "model_type", "qwen2_moe"},
        Case{"LayerTypesTooFew", WithWindow(Qwen2()), "layer_types", {"full_attention"}},
        Case{"LayerTypesUnknown",
             WithWindow(Qwen3()),
             "layer_types",
             {"full_attention", "full_attention", "linear_attention"}},
        Case{"LayerTypesWithoutWindow",
             Qwen2(),
             "layer_types",
             {"full_attention", "full_attention", "sliding_attention"}},
        Case{"WindowUsedAsText", Qwen2(), "use_sliding_window", "true"},
        Case{"WindowNegative", WithWindow(Qwen2()), "sliding_window", -1},
        Case{"MaxWindowLayers", WithWindow(Qwen2()), "max_window_layers", -1},
        Case{"Yarn", Qwen2(), "rope_scaling", {{"type", "yarn"}, {"factor", 4.0}}, "rope_scaling.type"},
        Case{"LongRope", Llama(), "rope_parameters", {{"rope_type", "longrope"}}, "rope_parameters.rope_type"},
        Case{"TwoRopeTypes",
             Llama(),
             "rope_scaling",
             {{"rope_type", "linear"}, {"type", "dynamic"}, {"factor", 2.0}},
             "rope_scaling.type"},
        Case{"LinearWithoutFactor", Llama(), "rope_scaling", {{"type", "linear"}}, "rope_scaling.factor"},
        Case{"DynamicWithoutFactor", Llama(), "rope_scaling", {{"type", "dynamic"}}, "rope_scaling.factor"},
        Case{"LinearFactorZero", Llama(), "rope_scaling", {{"type", "linear"}, {"factor", 0}}, "rope_scaling.factor"},
        Case{"LinearUnknown",
             Llama(),
             "rope_scaling",
             {{"type", "linear"}, {"factor", 2.0}, {"beta_fast", 32}},
             "rope_scaling.beta_fast"},
        Case{"Llama3Incomplete",
             Llama(),
             "rope_scaling",
             {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}},
             "rope_scaling.high_freq_factor"},
        Case{"Llama3Crossed",
             Llama(),
             "rope_scaling",
             {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 4.0}, {"high_freq_factor", 4.0}},
             "rope_scaling.high_freq_factor"},
        Case{"OriginalContextOutside", Llama(), "original_max_position_embeddings", 64}),
    [](const auto& kind) { return kind.param.name; });

TEST(FamiliesTest, RopeSaidTwiceMustBeTheSame) {
  Json json = Llama();
  json["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};
  json["rope_parameters"] = json["rope_scaling"];
  EXPECT_EQ(Parse(json).rope_scaling.factor, 2.0);
  json["rope_parameters"]["factor"] = 3.0;
  EXPECT_EQ(RefusedField(json), "rope_parameters");
}

}  // namespace
}  // namespace besa::storage
