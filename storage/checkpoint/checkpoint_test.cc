#include "storage/checkpoint/checkpoint.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/object/open_store.h"

namespace besa::storage {
namespace {

Uri TestData(absl::string_view name) { return Uri::Parse(BESA_TEST_DATA)->Join(name); }

std::unique_ptr<ObjectStore> TestStore() { return *OpenStore({.allowed_prefixes = {BESA_TEST_DATA}}); }

TEST(CheckpointTest, OpensASingleFile) {
  const auto store = TestStore();
  const auto checkpoint = Checkpoint::Open(*store, TestData("books-llama-3m"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->config().hidden_size, 192);
  EXPECT_EQ(checkpoint->config().num_key_value_heads, 1);
  EXPECT_TRUE(checkpoint->config().tie_word_embeddings);
  EXPECT_THAT(checkpoint->OtherTensors(), testing::ElementsAre("model.embed_tokens.weight", "model.norm.weight"));
  EXPECT_EQ(checkpoint->BlockTensors(5).size(), 9u);
  EXPECT_EQ(checkpoint->files().size(), 1u);
  EXPECT_EQ(checkpoint->companions().size(), 2u);
  EXPECT_EQ(checkpoint->parameters(), 3148224);
  EXPECT_EQ(checkpoint->bytes(), 2 * checkpoint->parameters());

  const auto norm = checkpoint->Read("model.norm.weight");
  ASSERT_TRUE(norm.ok()) << norm.status();
  EXPECT_EQ(norm->dtype, DType::kBF16);
  EXPECT_THAT(norm->shape, testing::ElementsAre(192));
  EXPECT_EQ(norm->bytes.size(), 384u);
}

}  // namespace
}  // namespace besa::storage
