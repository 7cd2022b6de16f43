// Perplexity of the small model on real text, through the tokenizer.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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

// A small model, and one that differs from it in every block: the same weights, a tenth of them zero.
class Zeroed final : public storage::TensorSource {
 public:
  explicit Zeroed(const storage::TensorSource& dense) : dense_(dense) {}
  absl::StatusOr<storage::TensorLocation> Find(absl::string_view name) const override { return dense_.Find(name); }
  absl::StatusOr<storage::HostTensor> Read(absl::string_view name) const override {
    auto tensor = dense_.Read(name);
    if (!tensor.ok() || tensor->shape.size() != 2 || tensor->name.find("layers") == std::string::npos) return tensor;
    for (size_t i = 0; i < tensor->bytes.size(); i += 20) tensor->bytes[i] = tensor->bytes[i + 1] = std::byte{0};
    return tensor;
  }

 private:
  const storage::TensorSource& dense_;
};

class CompareTest : public testing::Test {
 protected:
  CompareTest()
      : store_(storage::OpenStore({.allowed_prefixes = {kData}}).value()),
        dense_(storage::Checkpoint::Open(*store_, storage::Uri::Parse(kData + "/books-llama-3m").value()).value()),
        pruned_(dense_),
        engine_(Engine::Create({.device = "cpu", .threads = 1}).value()) {}

  // The first windows of `text`, `stride` tokens apart.
  static TokenWindows Slide(const TokenWindows& text, int64_t windows, int64_t length, int64_t stride) {
    TokenWindows slid{.windows = windows, .length = length, .ids = {}, .stride = stride};
    for (int64_t i = 0; i < windows; ++i) {
      const auto begin = text.ids.begin() + i * stride;
      slid.ids.insert(slid.ids.end(), begin, begin + length);
    }
    return slid;
  }

  std::vector<float> Logits(const storage::TensorSource& source, const TokenWindows& text) {
    return engine_->Logits(dense_.config(), source, text).value();
  }
  ComparisonResult Compare(const storage::TensorSource& pruned, const TokenWindows& text) {
    return engine_->Compare(dense_.config(), dense_, pruned, text, ComputeType::kFloat32, nullptr).value();
  }
  double Perplexity(const storage::TensorSource& source, const TokenWindows& text) {
    return engine_->Perplexity(dense_.config(), source, text, ComputeType::kFloat32, nullptr).value().perplexity;
  }

  std::unique_ptr<storage::ObjectStore> store_;
  storage::Checkpoint dense_;
  Zeroed pruned_;
  std::unique_ptr<Engine> engine_;
};

// The definitions, word by word, in double precision: from the logits of one token.
struct Reference {
  double log_likelihood = 0;
  double divergence = 0;
  int64_t tokens = 0;

  void Add(const float* p, const float* q, int64_t vocabulary, int32_t next) {
    const auto log_normaliser = [&](const float* logits) {
      const double largest = *std::max_element(logits, logits + vocabulary);
      double sum = 0;
      for (int64_t v = 0; v < vocabulary; ++v) sum += std::exp(logits[v] - largest);
      return largest + std::log(sum);
    };
    const double of_p = log_normaliser(p);
    const double of_q = log_normaliser(q);
    for (int64_t v = 0; v < vocabulary; ++v) {
      divergence += std::exp(p[v] - of_p) * ((p[v] - of_p) - (q[v] - of_q));
    }
    log_likelihood += q[next] - of_q;
    ++tokens;
  }
};

TEST_F(CompareTest, DivergenceAndPerplexityAreWhatTheirDefinitionsSay) {
  for (const int64_t stride : {32, 20, 1}) {
    const TokenWindows text = Slide(HeldOutWindows(*store_, 3, 64), 5, 32, stride);
    const std::vector<float> p = Logits(dense_, text);
    const std::vector<float> q = Logits(pruned_, text);
    const int64_t vocabulary = dense_.config().vocab_size;
    Reference reference;
    // No token twice: those up to `predicted` were predicted in the windows before.
    int64_t predicted = 0;
    for (int64_t w = 0; w < text.windows; ++w) {
      for (int64_t t = 1; t < text.length; ++t) {
        if (w > 0 && w * stride + t <= predicted) continue;
        const int64_t at = (w * text.length + t - 1) * vocabulary;
        reference.Add(&p[at], &q[at], vocabulary, text.ids[w * text.length + t]);
      }
      predicted = w * stride + text.length - 1;
    }
    const ComparisonResult result = Compare(pruned_, text);
    EXPECT_EQ(result.tokens, reference.tokens) << stride;
    EXPECT_EQ(PredictedTokens(text), reference.tokens) << stride;
    const auto tokens = static_cast<double>(reference.tokens);
    EXPECT_NEAR(result.kl_divergence / (reference.divergence / tokens), 1.0, 1e-5) << stride;
    EXPECT_NEAR(result.pruned_perplexity / std::exp(-reference.log_likelihood / tokens), 1.0, 1e-6) << stride;
    EXPECT_GT(result.kl_divergence, 0.01);
  }
}

TEST_F(CompareTest, PerplexitiesAreThoseOfEachModelAlone) {
  const TokenWindows text = Slide(HeldOutWindows(*store_, 10, 64), 16, 64, 36);
  const ComparisonResult result = Compare(pruned_, text);
  EXPECT_EQ(result.dense_perplexity, Perplexity(dense_, text));
  EXPECT_EQ(result.pruned_perplexity, Perplexity(pruned_, text));
}

TEST_F(CompareTest, AModelDoesNotDivergeFromItself) {
  const TokenWindows text = HeldOutWindows(*store_, 4, 64);
  const ComparisonResult result = Compare(dense_, text);
  EXPECT_EQ(result.kl_divergence, 0.0);
  EXPECT_EQ(result.dense_perplexity, result.pruned_perplexity);
}

TEST_F(CompareTest, MoreContextMakesWordsLessSurprising) {
  const TokenWindows whole = HeldOutWindows(*store_, 40, 64);
  const TokenWindows sliding = Slide(whole, 153, 64, 16);
  EXPECT_LT(Perplexity(dense_, sliding), Perplexity(dense_, whole));
}

TEST_F(CompareTest, AStrideThatLeavesTokensOutIsRefused) {
  TokenWindows text = HeldOutWindows(*store_, 2, 64);
  text.stride = 65;
  EXPECT_TRUE(absl::IsInvalidArgument(
      engine_->Compare(dense_.config(), dense_, pruned_, text, std::nullopt, nullptr).status()));
}

INSTANTIATE_TEST_SUITE_P(Types, PerplexityTest, testing::Values(ComputeType::kFloat32, ComputeType::kBFloat16));

}  // namespace
}  // namespace besa::pruner
