#include "storage/checkpoint/model_config.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "storage/base/error_info.h"

namespace besa::storage {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

// A small Llama as transformers 4 writes it.
Json Llama() {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_size", 64},
          {"intermediate_size", 160},
          {"num_hidden_layers", 2},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"vocab_size", 100},
          {"max_position_embeddings", 128},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 500000.0},
          {"rope_scaling", nullptr},
          {"hidden_act", "silu"},
          {"attention_bias", false},
          {"attention_dropout", 0.0},
          {"mlp_bias", false},
          {"pretraining_tp", 1},
          {"tie_word_embeddings", false},
          {"torch_dtype", "bfloat16"},
          {"transformers_version", "4.40.0"},
          {"use_cache", true}};
}

TEST(ModelConfigTest, ReadsALlama) {
  const auto config = ParseModelConfig(Llama().dump());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->architecture, "LlamaForCausalLM");
  EXPECT_EQ(config->hidden_size, 64);
  EXPECT_EQ(config->intermediate_size, 160);
  EXPECT_EQ(config->num_hidden_layers, 2);
  EXPECT_EQ(config->num_attention_heads, 4);
  EXPECT_EQ(config->num_key_value_heads, 2);
  EXPECT_EQ(config->head_dim, 16);
  EXPECT_EQ(config->vocab_size, 100);
  EXPECT_EQ(config->max_position_embeddings, 128);
  EXPECT_EQ(config->rms_norm_eps, 1e-5);
  EXPECT_EQ(config->rope_theta, 500000.0);
  EXPECT_FALSE(config->tie_word_embeddings);
}

TEST(ModelConfigTest, DefaultsAreThoseOfTransformers) {
  Json json = Llama();
  for (const std::string field : {"num_key_value_heads", "rms_norm_eps", "rope_theta", "rope_scaling", "hidden_act",
                                  "tie_word_embeddings", "model_type", "attention_bias", "mlp_bias"}) {
    json.erase(field);
  }
  const auto config = ParseModelConfig(json.dump());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->num_key_value_heads, 4);
  EXPECT_EQ(config->rms_norm_eps, 1e-6);
  EXPECT_EQ(config->rope_theta, 10000.0);
  EXPECT_FALSE(config->tie_word_embeddings);
}

TEST(ModelConfigTest, HeadsMayBeWiderThanTheirShare) {
  Json json = Llama();
  json["head_dim"] = 48;
  json["num_attention_heads"] = 5;
  json["num_key_value_heads"] = 1;
  const auto config = ParseModelConfig(json.dump());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->head_dim, 48);
  const auto linears = BlockLinears(*config);
  ASSERT_EQ(linears.size(), 7u);
  const auto shape = [&](size_t i) { return std::tuple(linears[i].name, linears[i].rows, linears[i].cols); };
  EXPECT_EQ(shape(0), std::tuple("self_attn.q_proj", 240, 64));
  EXPECT_EQ(shape(1), std::tuple("self_attn.k_proj", 48, 64));
  EXPECT_EQ(shape(2), std::tuple("self_attn.v_proj", 48, 64));
  EXPECT_EQ(shape(3), std::tuple("self_attn.o_proj", 64, 240));
  EXPECT_EQ(shape(4), std::tuple("mlp.gate_proj", 160, 64));
  EXPECT_EQ(shape(5), std::tuple("mlp.up_proj", 160, 64));
  EXPECT_EQ(shape(6), std::tuple("mlp.down_proj", 64, 160));
  EXPECT_EQ(BlockPrefix(3), "model.layers.3.");
}

TEST(ModelConfigTest, RotaryParametersOfTransformers5) {
  Json json = Llama();
  json.erase("rope_theta");
  json.erase("rope_scaling");
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 50000.0}};
  const auto config = ParseModelConfig(json.dump());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->rope_theta, 50000.0);
  // Said twice, but the same.
  json["rope_theta"] = 50000;
  EXPECT_TRUE(ParseModelConfig(json.dump()).ok());
}

TEST(ModelConfigTest, FieldsThatDoNotReachTheForwardPassAreLetBe) {
  Json json = Llama();
  json["dtype"] = "float16";
  json["_name_or_path"] = "somewhere";
  json["some_new_note"] = {{"nested", {1, 2}}};
  json["sliding_window"] = nullptr;
  json["quantization_config"] = nullptr;
  EXPECT_TRUE(ParseModelConfig(json.dump()).ok());
  json["sliding_window"] = 4096;
  json["use_sliding_window"] = false;
  EXPECT_TRUE(ParseModelConfig(json.dump()).ok());
}

// One field of the good configuration replaced.
struct Case {
  std::string name;
  std::string field;
  Json value;
  // The field that the error names; `field` where empty.
  std::string named;
};

class BadConfigTest : public testing::TestWithParam<Case> {};

TEST_P(BadConfigTest, IsRefusedByName) {
  Json json = Llama();
  json[GetParam().field] = GetParam().value;
  const absl::Status status = ParseModelConfig(json.dump()).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  const auto info = GetErrorInfo(status);
  ASSERT_TRUE(info.has_value()) << status;
  EXPECT_EQ(info->metadata.at("field"), GetParam().named.empty() ? GetParam().field : GetParam().named) << status;
  EXPECT_FALSE(info->metadata.at("expected").empty());
}

INSTANTIATE_TEST_SUITE_P(
    Fields, BadConfigTest,
    testing::Values(
        Case{"Architecture", "architectures", {"GPT2LMHeadModel"}}, Case{"NoArchitecture", "architectures", nullptr},
        Case{"ArchitectureAsText", "architectures", "LlamaForCausalLM"},
        Case{"TwoArchitectures", "architectures", {"LlamaForCausalLM", "X"}},
        Case{"ModelType", "model_type", "mistral"}, Case{"Activation", "hidden_act", "gelu"},
        Case{"ActivationNull", "hidden_act", nullptr}, Case{"LmHeadBias", "lm_head_bias", true},
        Case{"Quantized", "quantization_config", {{"quant_method", "gptq"}}},
        Case{"QuantizedEmpty", "quantization_config", Json::object()},
        Case{"RopeFactor", "rope_scaling", {{"rope_type", "default"}, {"factor", 8.0}}, "rope_scaling.factor"},
        Case{"RopeType", "rope_scaling", {{"rope_type", "longrope"}}, "rope_scaling.rope_type"},
        Case{"RopeTypeOld", "rope_scaling", {{"type", "yarn"}}, "rope_scaling.type"},
        Case{"RopeNotAnObject", "rope_scaling", "llama3"},
        Case{"RopeParametersType", "rope_parameters", {{"rope_type", "yarn"}}, "rope_parameters.rope_type"},
        Case{"RopeParametersPartial",
             "rope_parameters",
             {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}},
             "rope_parameters.partial_rotary_factor"},
        Case{"RopeParametersUnknown",
             "rope_parameters",
             {{"rope_type", "default"}, {"mscale", 1.0}},
             "rope_parameters.mscale"},
        Case{"RopeParametersByLayer",
             "rope_parameters",
             {{"full_attention", {{"rope_type", "default"}}}},
             "rope_parameters.full_attention"},
        Case{"RopeThetaTwice", "rope_parameters", {{"rope_theta", 1.0}}, "rope_parameters.rope_theta"},
        Case{"SlidingWindow", "sliding_window", 4096}, Case{"PartialRotary", "partial_rotary_factor", 0.5},
        Case{"TensorParallel", "pretraining_tp", 2}, Case{"LogitScale", "logit_scale", 0.0625},
        Case{"Softcap", "final_logit_softcapping", 30.0}, Case{"AttentionSoftcap", "attn_logit_softcapping", 50.0},
        Case{"Experts", "num_local_experts", 8}, Case{"QkNorm", "use_qk_norm", true},
        Case{"OwnCode", "auto_map", {{"AutoModelForCausalLM", "modeling.Model"}}},
        Case{"HeadsDoNotDivide", "num_key_value_heads", 3}, Case{"HeadsDoNotFit", "num_attention_heads", 6},
        Case{"OddHead", "head_dim", 15}, Case{"HugeHead", "head_dim", 268435456}, Case{"HiddenZero", "hidden_size", 0},
        Case{"HiddenNegative", "hidden_size", -64}, Case{"HiddenFraction", "hidden_size", 64.5},
        Case{"HiddenFloat", "hidden_size", 64.0}, Case{"HiddenText", "hidden_size", "64"},
        Case{"HiddenTrue", "hidden_size", true}, Case{"HiddenNull", "hidden_size", nullptr},
        Case{"HiddenHuge", "hidden_size", 18446744073709551615u}, Case{"NoLayers", "num_hidden_layers", 0},
        Case{"Intermediate", "intermediate_size", {1}}, Case{"Vocabulary", "vocab_size", nullptr},
        Case{"Positions", "max_position_embeddings", 0}, Case{"Epsilon", "rms_norm_eps", 0.0},
        Case{"EpsilonText", "rms_norm_eps", "1e-5"}, Case{"Theta", "rope_theta", -1.0},
        Case{"Tied", "tie_word_embeddings", "yes"}),
    [](const auto& kind) { return kind.param.name; });

TEST(ModelConfigTest, TheMessageSaysWhatIsSupported) {
  Json json = Llama();
  json["hidden_act"] = "gelu";
  EXPECT_EQ(ParseModelConfig(json.dump()).status().message(), "hidden_act: \"gelu\" is not valid; expected \"silu\"");
}

TEST(ModelConfigTest, RefusesWhatIsNotAnObject) {
  for (const std::string text : {"", "{", "[]", "null", "\xFF", "{\"a\": \"\xFF\"}", "{} x"}) {
    const absl::Status status = ParseModelConfig(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_EQ(GetErrorInfo(status)->metadata.at("field"), "config.json");
  }
}

TEST(ModelConfigTest, DeepNestingIsRefused) {
  std::string text = "{\"hidden_size\":";
  for (int i = 0; i < 200'000; ++i) text += "[";
  for (int i = 0; i < 200'000; ++i) text += "]";
  text += "}";
  const absl::Status status = ParseModelConfig(text).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("levels deep"));
}

}  // namespace
}  // namespace besa::storage
