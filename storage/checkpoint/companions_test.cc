#include "storage/checkpoint/companions.h"

#include <string>

#include "gtest/gtest.h"

namespace besa::storage {
namespace {

TEST(CompanionsTest, WhatAModelNeedsBesideItsWeights) {
  for (const std::string path :
       {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model",
        "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja",
        "chat_template.json", "additional_chat_templates/tool_use.jinja", "LICENSE", "LICENSE.txt", "license.md",
        "NOTICE", "USE_POLICY.md", "README.md"}) {
    EXPECT_TRUE(IsCompanion(path)) << path;
  }
}

TEST(CompanionsTest, NeverWeightsPicklesOrCode) {
  for (const std::string path : {"model.safetensors",
                                 "model.safetensors.index.json",
                                 "pytorch_model.bin",
                                 "model.pt",
                                 "model.pth",
                                 "tokenizer.pkl",
                                 "modeling_llama.py",
                                 "LICENSE.py",
                                 "license.bin",
                                 "readme.html",
                                 "training_args.bin",
                                 "model.gguf",
                                 "consolidated.00.pth",
                                 "original/tokenizer.model",
                                 "additional_chat_templates/x.py",
                                 "additional_chat_templates/a/b.jinja",
                                 ".gitattributes",
                                 "besa_manifest.json",
                                 "licenses",
                                 ""}) {
    EXPECT_FALSE(IsCompanion(path)) << path;
  }
}

}  // namespace
}  // namespace besa::storage
