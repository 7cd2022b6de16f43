// Perplexity of the small model on real text, through the tokenizer.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "storage/object/open_store.h"
#include "worker/pruner/pruner.h"
#include "worker/text/token_text.h"
#include "worker/text/tokenizer.h"
#include "worker/text/windows.h"

namespace besa::pruner {
namespace {

const std::string kData = BESA_TEST_DATA;

TokenWindows HeldOutWindows(storage::ObjectStore& store, int64_t windows, int64_t length) {
  std::ifstream file(kData + "/books-llama-3m/tokenizer.json");
  const std::string json((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const text::Tokenizer tokenizer = text::Tokenizer::Parse(json, "tokenizer.json").value();
  const text::TokenText ids =
      text::ReadTokenText(
          store, {.field = "evaluations[0].uris", .uris = {kData + "/text/held_out.txt.xz"}, .vocab_size = 4096},
          &tokenizer)
          .value();
  text::Windows first =
      text::FirstWindows(ids, {.name = "evaluation", .files = "held_out.txt.xz", .count = windows, .length = length})
          .value();
  return {.windows = first.count, .length = first.length, .ids = std::move(first.ids)};
}

class PerplexityTest : public testing::TestWithParam<ComputeType> {};

TEST_P(PerplexityTest, OfTheDenseSmallModelOnHeldOutText) {
  const auto store = storage::OpenStore({.allowed_prefixes = {kData}}).value();
  const auto checkpoint =
      storage::Checkpoint::Open(*store, storage::Uri::Parse(kData + "/books-llama-3m").value()).value();
  const TokenWindows text = HeldOutWindows(*store, 200, 256);
  const auto engine = Engine::Create({.device = "cpu", .threads = 1}).value();
  int64_t last_step = 0;
  const PerplexityResult result = engine
                                      ->Perplexity(checkpoint.config(), checkpoint, text, GetParam(),
                                                   [&](const Progress& progress) {
                                                     last_step = progress.step;
                                                     EXPECT_EQ(progress.stage, "evaluate");
                                                     EXPECT_EQ(progress.steps, 200 * 6);
                                                     return true;
                                                   })
                                      .value();
  std::printf("perplexity %.4f of %lld tokens in %.1f s\n", result.perplexity, static_cast<long long>(result.tokens),
              result.stages.at(0).seconds);
  EXPECT_EQ(result.tokens, 200 * 255);
  EXPECT_EQ(last_step, 200 * 6);
  EXPECT_NEAR(result.perplexity, 24.95, GetParam() == ComputeType::kFloat32 ? 0.005 : 0.05);
}

INSTANTIATE_TEST_SUITE_P(Types, PerplexityTest, testing::Values(ComputeType::kFloat32, ComputeType::kBFloat16));

}  // namespace
}  // namespace besa::pruner
