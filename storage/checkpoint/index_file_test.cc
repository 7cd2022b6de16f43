#include "storage/checkpoint/index_file.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/error_info.h"
#include "storage/object/open_store.h"

namespace besa::storage {
namespace {

TEST(IndexFileTest, FormatsAsHuggingFaceDoes) {
  EXPECT_EQ(FormatIndexFile({{"b.weight", "model-00002-of-00002.safetensors"},
                             {"a.weight", "model-00001-of-00002.safetensors"},
                             {"gr\xC3\xBC\xC3\x9F", "model-00001-of-00002.safetensors"}},
                            1234),
            "{\n"
            "  \"metadata\": {\n"
            "    \"total_size\": 1234\n"
            "  },\n"
            "  \"weight_map\": {\n"
            "    \"a.weight\": \"model-00001-of-00002.safetensors\",\n"
            "    \"b.weight\": \"model-00002-of-00002.safetensors\",\n"
            "    \"gr\\u00fc\\u00df\": \"model-00001-of-00002.safetensors\"\n"
            "  }\n"
            "}\n");
}

TEST(IndexFileTest, WhatIsFormattedIsParsed) {
  const WeightMap map = {{"a", "model-00001-of-00001.safetensors"}, {"\xE2\x82\xAC", "x.safetensors"}};
  EXPECT_EQ(ParseIndexFile(FormatIndexFile(map, 1)).value(), map);
}

TEST(IndexFileTest, ParsesWhatTransformersWrote) {
  const auto store = OpenStore({.allowed_prefixes = {BESA_TEST_DATA}});
  const auto text =
      ReadAll(**store, *Uri::Parse(BESA_TEST_DATA "/tiny-llama-sharded/model.safetensors.index.json"), 1 << 20);
  const auto map = ParseIndexFile(*text);
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(map->size(), 30u);
  EXPECT_EQ(map->at("lm_head.weight"), "model-00003-of-00003.safetensors");
}

TEST(IndexFileTest, RefusesWhatIsNotAnIndex) {
  const auto field = [](absl::string_view text) {
    const absl::Status status = ParseIndexFile(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    const auto info = GetErrorInfo(status);
    return info ? info->metadata.at("field") : "";
  };
  EXPECT_EQ(field("nonsense"), kIndexFileName);
  EXPECT_EQ(field("{}"), "weight_map");
  EXPECT_EQ(field(R"({"weight_map": {}})"), "weight_map");
  EXPECT_EQ(field(R"({"weight_map": ["a"]})"), "weight_map");
  for (const std::string file : {"1", "null", R"("../secret.safetensors")", R"("/etc/x.safetensors")", R"("model.bin")",
                                 R"("")", R"("sub/x.safetensors")"}) {
    EXPECT_EQ(field(R"({"weight_map": {"a": )" + file + "}}"), "weight_map[\"a\"]") << file;
  }
}

TEST(IndexFileTest, NamesShards) { EXPECT_EQ(ShardFileName(3, 12), "model-00003-of-00012.safetensors"); }

}  // namespace
}  // namespace besa::storage
